// One tab computes a run at a time. The tab that does holds a lock of the browser under the run's name; the browser
// takes it away when the tab is gone, so a lock never outlives its run.

const nameOf = (runId: string): string => `rlhf-run ${runId}`;

/** Absent where the page came over plain http. */
const { locks } = navigator as { locks?: LockManager };

/** Takes a run for this tab; the answer lets it go again, null if another tab has it. */
export function holdRun(runId: string): Promise<(() => void) | null> {
  if (!locks) return Promise.resolve(() => undefined);
  return new Promise((resolve, reject) => {
    locks
      .request(nameOf(runId), { ifAvailable: true }, (lock) => {
        if (lock) return new Promise<void>((letGo) => resolve(letGo));
        resolve(null);
      })
      .catch(reject);
  });
}

/** Whether some tab, this one included, has the run. */
export async function isHeld(runId: string): Promise<boolean> {
  const { held = [] } = (await locks?.query()) ?? {};
  return held.some(({ name }) => name === nameOf(runId));
}

/** Resolves once no tab has the run any more. */
export async function whenFree(runId: string, signal: AbortSignal): Promise<void> {
  await locks?.request(nameOf(runId), { signal }, () => undefined);
}
