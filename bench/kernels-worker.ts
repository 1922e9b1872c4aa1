// Runs a measurement in a worker, where the engine lives: its threads may sleep there, which they may not in a window.

self.onmessage = async ({ data: [file, name, ...args] }: MessageEvent<[string, string, ...unknown[]]>) => {
  try {
    const module = (await import(/* @vite-ignore */ file)) as Record<string, (...args: unknown[]) => unknown>;
    self.postMessage({ result: await module[name]?.(...args) });
  } catch (error) {
    self.postMessage({ error: error instanceof Error ? error.stack : String(error) });
  }
};
