// After the first visit the page works without a network. VERSION is of what the files hold.
const OURS = `panodepth ${self.registration.scope} `; // other sites of the host have caches beside it
const NAME = OURS + "{{VERSION}}";
const FILES = ["./", "app.js", "worker.js", "viewer.html", "table.txt", "config.json", "model.bin", "ort.wasm.bin",
  "icon.svg", "manifest.webmanifest", ...{{EXAMPLES}}].map((file) => new Request(file, { cache: "no-cache" })); // all of one version

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  const old = (key) => key.startsWith(OURS) && key !== NAME;
  const drop = (keys) => Promise.all(keys.filter(old).map((key) => caches.delete(key)));
  event.waitUntil(caches.keys().then(drop).then(() => self.clients.claim()));
});
self.addEventListener("fetch", (event) => {
  const kept = caches.open(NAME).then((cache) => cache.match(event.request));
  event.respondWith(kept.then((found) => found ?? fetch(event.request)));
});
