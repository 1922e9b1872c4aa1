// One sitting of judging: which pair is next, what was said of those before, and the file beside the run that holds it.
// Every judgement is written as it is made; what could not be written is told, and comes with the next that can be.

import {
  type Judgement,
  judgementOf,
  pairOf,
  pairsToJudge,
  parseJudgements,
  shownOrder,
  type Verdict,
} from '../../feedback/human';
import { type Experiment, pairsStage } from '../../shared/experiment';
import type { LabelledPair } from '../../shared/first-rows';
import type { AnswerPair } from '../../shared/protocol';
import { idbRunStore } from '../../storage/idb-store';
import { readText, type RunStore, truncateLines, writeText } from '../../storage/run-store';
import { type Trouble, troubleOf } from '../state/trouble';
import { PREFERENCES } from './derive';

/** The pairs that the run collected, or fresh ones of an adapter (`null`: the bare model). */
export type PairSource = { kind: 'run' } | { kind: 'fresh'; adapter: string | null };

/** Fresh pairs asked for at once, and how few are left when more are asked for. */
const DRAWN = 8;
const FEW = 3;

const FILE = 'judgements.jsonl';

type Sample = (adapter: string | null, from: number, count: number) => Promise<AnswerPair[]>;

export class Judging {
  judgements = $state.raw<Judgement[]>([]);
  source = $state.raw<PairSource>({ kind: 'run' });
  /** Pairs the run has collected, and as JSONL what a reward model would learn from without the person. */
  collected = $state(0);
  labelled = $state.raw<string | null>(null);
  opened = $state(false);
  /** Whether fresh pairs may be asked for: they need the model. */
  begun = $state(false);
  drawing = $state(false);
  /** Why there are no pairs. */
  error = $state.raw<Trouble | null>(null);
  /** Why the file does not hold all that was judged. */
  unsaved = $state.raw<Trouble | null>(null);

  private readonly store: RunStore;
  private waiting = $state.raw<AnswerPair[]>([]);
  private pairsText = '';
  /** Number of the next fresh pair, by adapter. */
  private readonly next: Partial<Record<string, number>> = {};
  private saving: Promise<void> = Promise.resolve();

  constructor(
    runId: string,
    private readonly experiment: Experiment,
    /** Pairs that a recording brings along. */
    private readonly recorded: readonly LabelledPair[],
    private readonly sample: Sample,
  ) {
    this.store = idbRunStore(runId);
  }

  /** The pair to be judged now, its answers in the order shown. */
  get shown() {
    const [pair] = this.waiting;
    if (!pair) return null;
    const order = shownOrder(pair, this.experiment.seed);
    return { pair, order, first: pair.answers[order[0]], second: pair.answers[order[1]] };
  }

  /** Reads what there is; `newest` writes the fresh pairs where the run has collected none, at once if `begin` says so. */
  async open(newest: string | null, begin: boolean): Promise<void> {
    const read = await this.guard(
      async () => {
        await this.readPairs();
        this.judgements = parseJudgements((await readText(this.store, FILE)) ?? '');
        this.labelled = (await readText(this.store, PREFERENCES)) ?? (this.pairsText || null);
        if (this.collected === 0) this.source = { kind: 'fresh', adapter: newest };
      },
      () => void this.open(newest, begin),
    );
    if (!read) return;
    this.opened = true;
    this.begun ||= begin || this.source.kind === 'run';
    await this.refill();
  }

  async choose(source: PairSource): Promise<void> {
    this.source = source;
    this.begun = true;
    this.waiting = [];
    await this.refill();
  }

  judge(verdict: Verdict): void {
    const { shown } = this;
    if (!shown) return;
    const judgement = judgementOf(shown.pair, shown.order, verdict, 'human');
    this.judgements = [...this.judgements, judgement];
    this.waiting = this.waiting.slice(1);
    this.save(() => this.store.append(FILE, `${JSON.stringify(judgement)}\n`));
    void this.refill();
  }

  undo(): void {
    const length = this.judgements.length - 1;
    const last = this.judgements[length];
    if (!last) return;
    this.judgements = this.judgements.slice(0, length);
    this.waiting = [pairOf(last), ...this.waiting];
    this.save(() => truncateLines(this.store, FILE, length));
  }

  /** Resolves when all judgements are on disk. */
  async saved(): Promise<void> {
    await this.saving;
  }

  private save(write: () => Promise<void>): void {
    const all = (): Promise<void> =>
      writeText(this.store, FILE, this.judgements.map((each) => `${JSON.stringify(each)}\n`).join(''));
    this.saving = this.saving.then(async () => {
      try {
        await (this.unsaved ? all() : write());
        this.unsaved = null;
      } catch (thrown) {
        this.unsaved = troubleOf(thrown, () => this.save(all));
      }
    });
  }

  private async readPairs(): Promise<void> {
    const stage = pairsStage(this.experiment);
    const stored = stage === undefined ? null : await readText(this.store, `${stage}.jsonl`);
    this.pairsText = stored ?? this.recorded.map((pair) => `${JSON.stringify(pair)}\n`).join('');
    this.collected = this.pairsText.split('\n').length - 1;
  }

  private async refill(): Promise<void> {
    const { source } = this;
    const known = [...this.judgements.map(({ pair }) => pair), ...this.waiting.map(({ id }) => id)];
    if (source.kind === 'run') {
      if (this.waiting.length > 0) return;
      const read = await this.guard(
        () => this.readPairs(),
        () => void this.refill(),
      );
      if (!read) return;
      const pairs = pairsToJudge(this.pairsText, pairsStage(this.experiment) ?? '', this.experiment.seed);
      this.waiting = pairs.filter(({ id }) => !known.includes(id));
      return;
    }
    if (!this.begun || this.drawing || this.waiting.length > FEW) return;
    this.drawing = true;
    const draw = async (): Promise<void> => {
      const { adapter } = source;
      const writer = adapter ?? 'base';
      const numbers = known.filter((id) => id.startsWith(`${writer}:`)).map((id) => Number(id.split(':')[1]));
      const from = this.next[writer] ?? Math.max(-1, ...numbers) + 1;
      const drawn = await this.sample(adapter, from, DRAWN);
      this.next[writer] = from + DRAWN;
      if (this.source === source) this.waiting = [...this.waiting, ...drawn];
    };
    await this.guard(draw, () => void this.refill());
    this.drawing = false;
  }

  /** Whether it could be done. */
  private async guard(action: () => Promise<void>, again: () => void): Promise<boolean> {
    try {
      await action();
      this.error = null;
      return true;
    } catch (thrown) {
      this.error = troubleOf(thrown, again);
      return false;
    }
  }
}
