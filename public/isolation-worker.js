// A service worker for hosts that cannot send headers: it adds those that isolate the page, which is what browsers ask
// for before they share memory between threads. It caches nothing and touches no other host's answers.
// src/ui/isolate.ts registers it; tools/headers.ts says the same headers for our own server.

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  // A cached answer for another origin's page may not be fetched again, and needs no headers.
  if (request.cache === 'only-if-cached' && request.mode !== 'same-origin') return;
  if (new URL(request.url).origin === self.location.origin) event.respondWith(isolated(request));
});

async function isolated(request) {
  const response = await fetch(request);
  const headers = new Headers(response.headers);
  headers.set('cross-origin-opener-policy', 'same-origin');
  headers.set('cross-origin-embedder-policy', 'require-corp');
  headers.set('cross-origin-resource-policy', 'same-origin');
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
