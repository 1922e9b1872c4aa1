// Module hooks for the Node host: lets it import the built site's scripts from our server by http, as a browser does.

export function resolve(specifier, context, next) {
  const importedByHttp = context.parentURL?.startsWith('http:') && /^\.|^\//.test(specifier);
  if (!importedByHttp && !specifier.startsWith('http:')) return next(specifier, context);
  return { url: new URL(specifier, context.parentURL).href, shortCircuit: true };
}

export async function load(url, context, next) {
  if (!url.startsWith('http:')) return next(url, context);
  return { format: 'module', source: await (await fetch(url)).text(), shortCircuit: true };
}
