// Collects web vitals with the web-vitals library and reports them, one beacon a moment, not one a metric.
//
// The library is asked for every change: in its default mode an interaction right before leaving is lost,
// because its entry still waits for idle time when the page hides. Changes are kept here, the last value of
// each metric, and sent 5 s after loading (visits end early), when the page is hidden, and when it is left.
// Our listeners for that are registered after the library's and in the bubbling phase, so that the library
// has put its last values in before we send.
//
// Nothing is stored in the browser, nothing identifies a visitor, and nothing here throws into the page.
import type { Metric, ReportOpts } from "web-vitals";
import { bare, connection, device, randomId, wantsPrivacy, type Attribution, type Beacon } from "./wire";
import { send, stopped } from "./transport";

declare const VERSION: string;

/** What `init` takes; the script tag's `data-…` attributes are the same. */
export interface Options {
  /** The site's public key: `data-site`. */
  site?: string;
  /** Where beacons go: `data-endpoint`; beside the script when absent. */
  endpoint?: string;
  /** The route's template, such as `/product/:id`: `data-route`. */
  route?: string;
  /** The deployed version: `data-release`. */
  release?: string;
  /** The share of page views that report, 0 to 1: `data-rate`. 1 when absent. */
  rate?: number;
  /** `false`: nothing is sent until `setConsent(true)`: `data-consent="false"`. */
  consent?: boolean;
  /** Reports soft navigations too, as views of their own: `data-soft-navigations`. */
  softNavigations?: boolean;
}

type OnVital = (report: (metric: Metric) => void, options?: ReportOpts) => void;

interface Value {
  id: string;
  value: number;
  attribution?: Attribution;
  /** The value last sent. */
  sent?: number;
  /** Whether the present value still has to be sent. */
  due: boolean;
}

interface View {
  id: string;
  /** Milliseconds on the page's clock. */
  start: number;
  page: string;
  route?: string;
  navigation: string;
  beacons: number;
  final: boolean;
  retried: boolean;
  values: Map<string, Value>;
}

/** The early beacon goes out this long after `load`. */
const EARLY_MS = 5000;

/** The most views that are still listened for. */
const VIEWS = 4;

/** The page's one global. */
export interface Plimsoll {
  version: string;
  /** Starts reporting; only the first call counts. The script tag calls it when it has `data-site`. */
  init(options: Options): void;
  /** Names the route of this view, unless it has a name, and of those that follow in this page. */
  setRoute(route: string): void;
  /** Sends what has changed. */
  flush(): void;
  /** Allows or forbids sending. What is measured meanwhile stays in memory. */
  setConsent(allowed: boolean): void;
  /** Stops for good. */
  shutdown(): void;
}

const guarded = <A extends unknown[]>(action: (...args: A) => void) => (...args: A): void => {
  try {
    action(...args);
  } catch {
    // A page is worth more than a number about it.
  }
};

/** Makes the global and starts when the script tag says so. */
export const install = (vitals: OnVital[], describe?: (metric: Metric) => Attribution): void => {
  const owner = window as unknown as { plimsoll?: Plimsoll };
  if (owner.plimsoll) return;

  let options: Options | undefined;
  let allowed = true;
  let sampled = false;
  let ended = false;
  let rate = 1;
  const views: View[] = [];
  const viewOf = new Map<string, View>();
  const current = (): View | undefined => views[views.length - 1];

  const open = (start: number, page: string, navigation: string): View => {
    const view: View = {
      id: randomId(), start, page: bare(page), route: options?.route, navigation,
      beacons: 0, final: false, retried: false, values: new Map(),
    };
    views.push(view);
    // In a page that lives for days, each soft navigation would leave a view behind.
    if (views.length > VIEWS) {
      const oldest = views.shift()!;
      void post(oldest).catch(() => {});
      for (const [id, owning] of viewOf) if (owning === oldest) viewOf.delete(id);
    }
    return view;
  };

  const activation = (): number =>
    (performance.getEntriesByType("navigation")[0] as unknown as { activationStart?: number })?.activationStart ?? 0;

  const beacon = (view: View, everything: boolean): Beacon => {
    const metrics = [];
    for (const [name, entry] of view.values) {
      if (!entry.due && !everything) continue;
      const attribution = wantsPrivacy() ? undefined : entry.attribution;
      metrics.push({ name, value: entry.value, prev: entry.sent, id: entry.id, attribution });
      entry.sent = entry.value;
      entry.due = false;
    }
    return {
      v: 1, site: options?.site, view: view.id, n: ++view.beacons,
      age: Math.max(0, performance.now() - (view.start || activation())), rate,
      page: view.page, route: view.route, release: options?.release, navigation: view.navigation,
      device: device(), connection: connection(), final: view.final, metrics,
    };
  };

  const post = async (view: View, everything = false): Promise<void> => {
    const due = [...view.values.values()].some((entry) => entry.due);
    const wanted = due || (everything && view.values.size > 0);
    if (!wanted || !options?.endpoint || !allowed || !sampled || ended || stopped()) return;
    const message = beacon(view, everything);
    if ((await send(options.endpoint, JSON.stringify(message), view.retried)) === "done") {
      view.retried = false;
      return;
    }
    // Once more, with whatever is newest by then.
    for (const { name } of message.metrics) view.values.get(name)!.due = true;
    if (view.retried) return;
    view.retried = true;
    setTimeout(flush, 1000 + 2000 * Math.random());
  };

  const flush = guarded(() => {
    // A soft navigation leaves views behind whose last values come late.
    for (const view of views) void post(view, view.final).catch(() => {});
  });

  const report = guarded((metric: Metric) => {
    const restored = metric.navigationType === "back-forward-cache";
    const soft = metric.navigationType === "soft-navigation";
    // The library cannot measure the first byte of these and says 0.
    if (metric.name === "TTFB" && (restored || soft)) return;
    let view = viewOf.get(metric.id);
    if (!view) {
      view = current();
      const start = metric.navigationStartTime ?? 0;
      if (soft && view?.start !== start) view = open(start, metric.navigationURL ?? location.href, metric.navigationType);
      if (!view) return;
      viewOf.set(metric.id, view);
    }
    if (!restored && !soft) view.navigation = metric.navigationType;
    const before = view.values.get(metric.name);
    if (before?.value === metric.value && before.id === metric.id) return;
    // The library goes on changing its object: what is needed is taken out now.
    view.values.set(metric.name, {
      id: metric.id, value: metric.value, attribution: describe?.(metric), sent: before?.sent, due: true,
    });
  });

  const listen = (): void => {
    addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush());
    addEventListener("pagehide", guarded((event: PageTransitionEvent) => {
      // Left while visible: the library's last values come with the visibility change right after this.
      const view = current();
      const visible = document.visibilityState !== "hidden";
      if (visible) flush();
      if (!event.persisted && view) view.final = true;
      if (!visible) flush();
    }));
    const early = () => setTimeout(flush, EARLY_MS);
    if ((document as { prerendering?: boolean }).prerendering) addEventListener("prerenderingchange", early, { once: true });
    else if (document.readyState === "complete") early();
    else addEventListener("load", early, { once: true });
  };

  const start = (given: Options): void => {
    if (options) return;
    options = { ...given };
    allowed = given.consent !== false;
    rate = Number.isFinite(given.rate) ? given.rate! : 1;
    sampled = Math.random() < rate;
    open(0, location.href, "navigate");
    // Before the library's own listener, which begins to measure the restored view.
    addEventListener("pageshow", guarded((event: PageTransitionEvent) => {
      if (!event.persisted) return;
      const before = current();
      if (before) {
        before.final = true;
        flush();
      }
      views.length = 0;
      viewOf.clear();
      sampled = Math.random() < rate;
      open(event.timeStamp, location.href, "back-forward-cache");
    }), true);
    for (const onVital of vitals) onVital(report, { reportAllChanges: true, reportSoftNavs: given.softNavigations });
    listen();
  };

  owner.plimsoll = {
    version: VERSION,
    init: guarded(start),
    setRoute: guarded((route: string) => {
      if (options) options.route = route;
      const view = current();
      if (view) view.route ??= route;
    }),
    flush,
    setConsent: (value) => void (allowed = value),
    shutdown: () => void (ended = true),
  };

  guarded(() => {
    const script = document.currentScript as HTMLScriptElement | null;
    const data = script?.dataset;
    if (!script || !data || data.site === undefined) return;
    start({
      site: data.site,
      endpoint: data.endpoint ?? script.src.replace(/\/sdk\/[^]*$/, "/ingest/vitals"),
      route: data.route,
      release: data.release,
      rate: data.rate === undefined ? undefined : Number(data.rate),
      consent: data.consent !== "false",
      softNavigations: data.softNavigations !== undefined,
    });
  })();
};
