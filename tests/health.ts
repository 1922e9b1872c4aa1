// Health as the page asks for it, of rows as they come: they go through the columns that the page keeps.

import { checkHealth, type Notice } from '../src/shared/health';
import type { MetricsRow } from '../src/shared/protocol';
import { MetricsBook } from '../src/ui/lib/series';

/** What is notable about the last row's stage. */
export function healthOf(rows: readonly MetricsRow[]): Notice[] {
  const book = new MetricsBook();
  for (const row of rows) book.append(row);
  const last = rows.at(-1);
  return checkHealth(last, (metric) => book.of(last!.stage).values(metric));
}
