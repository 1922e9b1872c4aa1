// Whether the long versions of tests are asked for (`FULL=1`), under Node as in a browser.

export const full = import.meta.env['FULL'] === '1';
