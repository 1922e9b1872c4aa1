// What a person sees on stderr while a command runs: loading, stages with the memory they took, and a line of metrics at
// most every second.
import type { Event, MetricsRow } from '../src/shared/protocol.ts';

const shownMetrics = 5;
const millisecondsBetweenLines = 1000;

export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = seconds / 60;
  return minutes < 90 ? `${Math.round(minutes)} min` : `${(minutes / 60).toFixed(1)} h`;
}

function metricsLine(row: MetricsRow): string {
  const numbers = Object.entries(row).filter(([key, value]) => key !== 'step' && typeof value === 'number');
  return numbers
    .slice(0, shownMetrics)
    .map(([key, value]) => `${key} ${Number(Number(value).toPrecision(4))}`)
    .join('  ');
}

/** A listener of events that writes lines with `print`; `now` in milliseconds. */
export function progressPrinter(
  print: (line: string) => void,
  now: () => number = Date.now,
): (event: Event) => void {
  const totals = new Map<string, number>();
  let lastLine = -Infinity;
  let lastLoading = '';
  let mostBytes = 0; // taken in this stage
  return (event) => {
    if (event.type === 'device')
      print(`${event.device.backend}: ${event.device.adapter}. ${event.device.reason}`);
    if (event.type === 'model') {
      print(`model: ${event.model.name}, ${(event.model.parameters / 1e6).toFixed(1)}M parameters`);
    }
    if (event.type === 'loading' && event.what !== lastLoading) {
      lastLoading = event.what;
      print(`loading ${event.what} (${(event.totalBytes / 1e6).toFixed(1)} MB)`);
    }
    if (event.type === 'memory') mostBytes = Math.max(mostBytes, event.memory.allocatedBytes);
    if (event.type === 'stage') {
      totals.set(event.name, event.totalSteps);
      const ended = event.state === 'finished' && mostBytes > 0;
      const took = ended ? `, took at most ${(mostBytes / 1e6).toFixed(1)} MB of the device` : '';
      print(
        `${event.name}: ${event.state}${event.seconds > 0 ? ` after ${duration(event.seconds)}` : ''}${took}`,
      );
      mostBytes = 0;
    }
    if (event.type === 'warning') print(`warning: ${event.stage}: ${event.message} ${event.fix}`);
    if (event.type === 'metrics') {
      const { row, secondsLeft } = event;
      const total = totals.get(row.stage);
      if (now() - lastLine < millisecondsBetweenLines && row.step !== total) return;
      lastLine = now();
      const left = secondsLeft === null ? '' : `  (${duration(secondsLeft)} left)`;
      print(`${row.stage} ${row.step}${total ? `/${total}` : ''}  ${metricsLine(row)}${left}`);
    }
  };
}

/** The printer of every command: to stderr, so that stdout holds results alone. */
export const tellProgress = progressPrinter((line) => console.error(line));
