// Bundles viewer/ into one page without rooms, the package's export/html/viewer.html; `panodepth`
// puts rooms into it. The same sources and versions always give the same bytes.
// node build.mjs [FILE]

import { build } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";

const here = new URL(".", import.meta.url);
const text = (name) => readFile(new URL(name, here), "utf8");
const out = process.argv[2] ?? new URL("../src/panodepth/export/html/viewer.html", here);

async function bundle(entry) {
  const result = await build({
    entryPoints: [new URL(entry, here).pathname],
    absWorkingDir: here.pathname.replace(/\/$/, ""),
    bundle: true,
    minify: true,
    format: "iife",
    target: ["chrome90", "firefox113", "safari16.4"],
    charset: "ascii",
    legalComments: "none",
    write: false,
  });
  return result.outputFiles[0].text.trim();
}

const licence = (await text("node_modules/three/LICENSE")).trim();
const version = JSON.parse(await text("node_modules/three/package.json")).version;
const script = await bundle("viewer/main.ts");
if (script.includes("</script")) throw new Error("the script would end its own tag");
const parts = {
  LICENCES: `three.js ${version}\n${licence}`,
  STYLE: await bundle("viewer/style.css"),
  SCRIPT: script,
};
const page = (await text("viewer/page.html")).replace(/\{\{(\w+)\}\}/g, (_, key) => parts[key]);
await writeFile(out, page);
console.log(`${page.length} bytes`);
