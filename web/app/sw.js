// After the first visit the page works without a network. VERSION is of what the files hold.
const VERSION = "{{VERSION}}";
const FILES = ["./", "app.js", "viewer.html", "table.txt", "config.json", "model.bin", "ort.wasm.bin",
  "icon.svg", "manifest.webmanifest"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(VERSION).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  const old = (keys) => Promise.all(keys.filter((key) => key !== VERSION).map((key) => caches.delete(key)));
  event.waitUntil(caches.keys().then(old).then(() => self.clients.claim()));
});
self.addEventListener("fetch", (event) => {
  event.respondWith(caches.match(event.request).then((found) => found ?? fetch(event.request)));
});
