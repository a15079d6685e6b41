// Bundles viewer/ into one page without rooms, the package's export/html/viewer.html, into which
// `panodepth` puts rooms; and app/ into the files of app/site/, beside which it puts a model. The
// same sources and versions always give the same bytes.
// node build.mjs [FOLDER]

import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const here = new URL(".", import.meta.url);
const out = process.argv[2] ?? new URL("../src/panodepth", here).pathname;
const text = (name) => readFile(new URL(name, here), "utf8");
const packed = async (name) => JSON.parse(await text(`node_modules/${name}/package.json`)).version;

async function bundle(entry, format = "iife") {
  const result = await build({
    entryPoints: [new URL(entry, here).pathname],
    absWorkingDir: here.pathname.replace(/\/$/, ""),
    bundle: true,
    minify: true,
    format,
    target: ["chrome90", "firefox113", "safari16.4"],
    charset: "ascii",
    legalComments: "none",
    write: false,
  });
  return result.outputFiles[0].text.trim();
}

async function put(name, content) {
  await mkdir(`${out}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
  await writeFile(`${out}/${name}`, content);
  console.log(`${name}: ${content.length} bytes`);
}

const filled = (template, parts) => template.replace(/\{\{(\w+)\}\}/g, (_, key) => parts[key]);
const three = (await text("node_modules/three/LICENSE")).trim();

const script = await bundle("viewer/main.ts");
if (script.includes("</script")) throw new Error("the script would end its own tag");
const viewer = filled(await text("viewer/page.html"), {
  LICENCES: `three.js ${await packed("three")}\n${three}`,
  STYLE: await bundle("viewer/style.css"),
  SCRIPT: script,
});
await put("export/html/viewer.html", viewer);

const runtime = "onnxruntime-web";
const site = filled(await text("app/page.html"), {
  LICENCES: `panodepth, Apache-2.0. It uses ONNX Runtime Web ${await packed(runtime)}, Copyright (c)
Microsoft Corporation, under the MIT License:\n${three.slice(three.indexOf("Permission"))}`,
  STYLE: await bundle("app/style.css"),
  EXAMPLES: "{{EXAMPLES}}", // by `panodepth app --static`
});
await put("app/site/index.html", site);
await put("app/site/app.js", await bundle("app/main.ts", "esm"));
await put("app/site/worker.js", await bundle("app/worker.ts", "esm"));
for (const name of ["sw.js", "manifest.webmanifest", "icon.svg"]) {
  await put(`app/site/${name}`, await text(`app/${name}`));
}
const wasm = await readFile(
  new URL(`node_modules/${runtime}/dist/ort-wasm-simd-threaded.wasm`, here),
);
await put("app/site/ort.wasm.bin", gzipSync(wasm, { level: 9 }));
