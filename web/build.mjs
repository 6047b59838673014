// Bundles the browser script into dist/ and fails when a bundle is over its budget.
import { build } from "esbuild";
import { readFileSync, mkdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** Bytes after gzip. */
const BUDGET = { "plimsoll.js": 6 * 1024, "plimsoll.attr.js": 9 * 1024 };

const here = new URL("./", import.meta.url);
const version = /^version = "(.+)"$/m.exec(readFileSync(new URL("../Cargo.toml", here), "utf8"))?.[1];
if (!version) throw new Error("Cargo.toml names no version");
const library = JSON.parse(readFileSync(new URL("node_modules/web-vitals/package.json", here), "utf8"));

mkdirSync(new URL("dist/", here), { recursive: true });
for (const [file, budget] of Object.entries(BUDGET)) {
  const { outputFiles } = await build({
    entryPoints: [new URL(`src/${file.replace(/js$/, "ts")}`, here).pathname],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2021",
    write: false,
    define: { VERSION: JSON.stringify(version) },
    banner: {
      js: `/*! plimsoll ${version} (MIT OR Apache-2.0), with ${library.name} ${library.version} (${library.license}, Google LLC) */`,
    },
  });
  const { contents } = outputFiles[0];
  const packed = gzipSync(contents, { level: 9 }).length;
  console.log(`${file}: ${contents.length} bytes, ${packed} after gzip (budget ${budget})`);
  if (packed > budget) throw new Error(`${file} is over its budget by ${packed - budget} bytes`);
  writeFileSync(new URL(`dist/${file}`, here), contents);
}
