// The HTTP headers of every server we run. Cross-origin isolation gives the worker SharedArrayBuffer, so wasm threads;
// the content security policy keeps the page to its own files and, when a person names a model, the Hugging Face hub.

export const isolationHeaders = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
};

const hub = 'https://huggingface.co https://*.huggingface.co https://*.hf.co';

const policy = (sources: Record<string, string>): string =>
  Object.entries(sources)
    .map(([directive, source]) => `${directive} ${source}`)
    .join('; ');

const common = {
  'default-src': "'self'",
  'connect-src': `'self' ${hub}`,
  'style-src': "'self'",
  'img-src': "'self' data: blob:",
  'object-src': "'none'",
  'base-uri': "'none'",
  'form-action': "'none'",
};

/** For documents but open.html; also written into the built pages as a <meta>, for hosts that send no headers. */
const pagePolicy = policy({
  ...common,
  'script-src': "'self' 'wasm-unsafe-eval'",
  'worker-src': "'self'",
});

/** For open.html, the frame that fetches what a person agreed to fetch from any address: it can do that, and no more. */
const framePolicy = policy({
  'default-src': "'none'",
  'script-src': "'self'",
  'connect-src': 'https: http://localhost:* http://127.0.0.1:*',
  'base-uri': "'none'",
  'form-action': "'none'",
});

/** The policy of a document by the name of its file. */
export const policyOf = (file: string): string =>
  /(^|[\\/])open\.html$/.test(file) ? framePolicy : pagePolicy;

/** For scripts, which is where a worker takes its policy from: tfjs starts its wasm threads from blob URLs. */
export const workerPolicy = policy({
  ...common,
  'script-src': "'self' 'wasm-unsafe-eval' blob:",
  'worker-src': "'self' blob:",
});
