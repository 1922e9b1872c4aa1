// The experiments that come with the page, by name.

import { PlaygroundError } from '../shared/errors';
import type { Experiment } from '../shared/experiment';
import { parseExperiment } from '../shared/validate';

const FILES = import.meta.glob<string>('../../experiments/*.json', {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** The experiment shipped under a name. Throws `bad-link` naming those there are: nothing but a link names one. */
export function shippedExperiment(name: string): Experiment {
  const text = FILES[`../../experiments/${name}.json`];
  if (text !== undefined) return parseExperiment(text, `${name}.json`).experiment;
  const names = Object.keys(FILES).map((path) => path.replace(/^.*\/|\.json$/g, ''));
  throw new PlaygroundError(
    'bad-link',
    `There is no experiment called “${name}” on this site.`,
    `Open the page without it, or with one of: ${names.join(', ')}.`,
  );
}
