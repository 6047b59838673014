//! The shop's pages: light enough to be fast, and with something in them for each web vital: an image that
//! is the largest paint, a banner that arrives late and moves the page, a button that computes.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::Shop;

const STYLE: &str = "body{font:16px/1.5 system-ui;margin:2rem auto;max-width:44rem;padding:0 1rem}\
    img{width:100%;height:auto}button{font:inherit;padding:.5rem 1rem}#late{background:#fe9;padding:1rem}";

/// What the pages do: fill the list from the API, show the banner late, and count on click.
const SCRIPT: &str = r#"
const list = document.getElementById("list");
fetch(list.dataset.from).then((r) => r.json()).then((found) => {
  for (const p of [].concat(found).slice(0, 12)) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = "/product/" + p.id;
    link.textContent = p.name + " · " + (p.price_cents / 100).toFixed(2);
    item.append(link);
    list.append(item);
  }
});
setTimeout(() => { document.getElementById("late").hidden = false; }, 400);
document.getElementById("buy").addEventListener("click", () => {
  let sum = 0;
  for (let i = 0; i < 2e7; i++) sum += i % 7;
  fetch("/api/orders", { method: "POST", body: "7" }).then((r) => {
    document.getElementById("bought").textContent = r.ok ? "Thank you." : "The order failed.";
  });
});
"#;

/// `GET /`
pub(super) async fn home(State(shop): State<Arc<Shop>>) -> Html<String> {
    Html(page(&shop, "Deck shoes", "/api/products").into_string())
}

/// `GET /product/{id}`
pub(super) async fn product(State(shop): State<Arc<Shop>>, Path(id): Path<i64>) -> Html<String> {
    Html(page(&shop, &format!("Deck shoe no. {id}"), &format!("/api/products/{id}")).into_string())
}

fn page(shop: &Shop, title: &str, from: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (maud::PreEscaped(STYLE)) }
                script defer src={ (shop.plimsoll) "/sdk/plimsoll.js" } data-site="shop"
                    data-endpoint={ (shop.plimsoll) "/ingest/vitals" } {}
                script defer src="/shop.js" {}
            }
            body {
                div #late hidden { "Free delivery until the tide turns." }
                h1 { (title) }
                img src="/hero.svg" width="880" height="420" alt="A hull with its load line";
                p { button #buy { "Buy" } " " span #bought {} }
                ul #list data-from=(from) {}
            }
        }
    }
}

/// `GET /shop.js`
pub(super) async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript"), (CACHE_CONTROL, "no-store")], SCRIPT).into_response()
}

/// `GET /hero.svg`: a hull made of a thousand planks, so that painting it is some work.
pub(super) async fn hero() -> Response {
    let mut svg = String::from(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 420">"#);
    for i in 0..1_000 {
        let (x, y) = ((i * 53) % 880, (i * 29) % 420);
        let (hue, width) = (200 + (i * 7) % 40, 40 + i % 60);
        svg.push_str(&format!(r#"<rect x="{x}" y="{y}" width="{width}" height="14" fill="hsl({hue} 40% 55%)"/>"#));
    }
    svg.push_str(r#"<path d="M0 230h880" stroke="white" stroke-width="8"/></svg>"#);
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "no-store")], svg).into_response()
}
