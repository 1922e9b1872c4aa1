// What the page's code asks of a browser as it is loaded, where there is none: an address that opens on nothing, a system
// that prefers nothing. Imported before all of that code.

Object.assign(globalThis, {
  location: { hash: '', search: '?live' },
  history: { state: null },
  matchMedia: () => ({ matches: false }),
  requestAnimationFrame: () => 0,
  ...('navigator' in globalThis ? {} : { navigator: {} }), // Node has one of its own since version 21
});
