// The data a person has before them: one part of the experiment's data with its rows, what is wrong with them and how
// they fit the model. What ships with the playground is looked at; what a person brought along can be edited too.

import { type FirstRows, maskedText } from '../../shared/first-rows';
import {
  type DataPart,
  type DataRow,
  type Fit,
  type Looked,
  type MaskedText,
  MOST_ROWS,
  OWN,
} from '../../shared/look';
import type { MetricsRow } from '../../shared/protocol';
import type { Setting } from '../../shared/setting';
import { settingsOf } from '../../shared/settings';
import { listOwn, removeOwn, writeRows } from '../../storage/own-store';
import { asLines, freeName, sourceOf } from '../lib/bring';
import type { Playground } from '../state/playground.svelte';
import { type Trouble, troubleOf } from '../state/trouble';

const NONE: Looked = { rows: [], total: 0, problems: [], good: '' };

export class Desk {
  part = $state<DataPart>('sft');
  looked = $state.raw<Looked>(NONE);
  fit = $state.raw<Fit | null>(null);
  error = $state.raw<Trouble | null>(null);
  /** Names of the rows kept in this browser. */
  kept = $state.raw<string[]>([]);
  /** Place in `looked.rows` of the row that is read token by token. */
  chosen = $state<number | null>(null);

  /** Whether all rows are read, where a recording brings the first of them along. */
  private whole = $state(false);
  /** Changes made here, to tell what was read before the last of them. */
  private edits = 0;

  constructor(readonly playground: Playground) {}

  get setting(): Setting {
    return settingsOf('data').find(({ key }) => key === this.part)!;
  }

  /** As the experiment names it, null where it names none. */
  get source(): string | null {
    return this.playground.draft.data[this.part] ?? null;
  }

  /** The name of rows that are a person's own, null for others. */
  get ownName(): string | null {
    return OWN.exec(this.source ?? '')?.groups?.['name'] ?? null;
  }

  /** What the recording on show brings along of these rows, in the place of all: they may be out of reach, and to read
   *  them takes an engine. Where the experiment names no pairs, those that the run sampled. */
  readonly brought: FirstRows | null = $derived.by(() => {
    const { part, source, whole } = this;
    const run = this.playground.session.recorded;
    if (!run || whole || source !== (run.experiment.data[part] ?? null)) return null;
    if (source !== null || part !== 'preferences') return run.rows[part] ?? null;
    const rows = run.pairs.map(({ prompt, chosen, rejected }, i) => ({
      line: i + 1,
      fields: { prompt, chosen, rejected },
    }));
    return rows.length > 0 ? { rows, texts: [], total: sampled(run.metrics) ?? rows.length } : null;
  });

  /** Whether the texts that training makes of a row can be told. */
  get masks(): boolean {
    if (this.brought) return this.brought.texts.length > 0;
    return this.source !== null && this.playground.session.loaded !== null;
  }

  /** Whether the rows are on their way. */
  get reading(): boolean {
    return this.source !== null && this.looked === NONE && this.error === null;
  }

  get editable(): boolean {
    return this.ownName !== null && this.looked.total <= MOST_ROWS;
  }

  /** Reads the rows again. */
  async look(): Promise<void> {
    const { part, source, edits, brought } = this;
    this.kept = (await listOwn('data').catch(() => [])).map(({ name }) => name);
    const looked = brought
      ? { ...NONE, rows: brought.rows, total: brought.total }
      : source === null
        ? NONE
        : await this.guarded(() => this.rows(source, null));
    // What was read meanwhile is of another source, or older than what has been typed since.
    if (part !== this.part || source !== this.source || edits !== this.edits || brought !== this.brought)
      return;
    this.looked = looked ?? NONE;
    if (this.chosen !== null && this.chosen >= this.looked.rows.length) this.chosen = null;
    await this.measure();
  }

  /** How the rows fit the loaded model; nothing while there is none, or while rows have problems. */
  async measure(): Promise<void> {
    const { part, source, looked } = this;
    this.fit = null;
    if (source === null || this.brought || looked.problems.length > 0 || !this.playground.session.loaded)
      return;
    const told = await this.guarded(() => this.questions.ask('fitRows', { part, source, text: null }));
    if (part === this.part && source === this.source) this.fit = told && told.fit;
  }

  choose(part: DataPart): void {
    this.part = part;
    this.whole = false;
    this.chosen = null;
    this.error = null;
    this.looked = NONE;
    this.fit = null;
  }

  /** Takes other rows for this part; null takes none. */
  use(source: string | null): void {
    this.chosen = null;
    this.playground.form.change('data', this.setting, source ?? undefined);
  }

  /** Looks at a text that may become rows. Throws a PlainError. */
  read(name: string, text: string): Promise<Looked> {
    const lines = asLines(text);
    return this.rows(sourceOf(name, lines), lines);
  }

  /** The texts that training makes of a row, token by token. Throws a PlainError. */
  async mask(row: DataRow): Promise<MaskedText[]> {
    const { part, source, brought } = this;
    if (brought) return (brought.texts[brought.rows.indexOf(row)] ?? []).map(maskedText);
    return (await this.questions.ask('maskRow', { part, source: source ?? part, row })).texts;
  }

  /** Keeps rows under a name that is free, and takes them for this part. */
  async keep(wanted: string, jsonl: string): Promise<void> {
    const name = freeName(wanted, this.kept);
    await this.write(name, jsonl);
    this.use(`own:${name}`);
  }

  /** Reads the rows themselves, of which a recording has brought the first. */
  async readAll(): Promise<void> {
    this.whole = true;
    await this.look();
  }

  /** A copy of what ships with the playground, to be edited. */
  async copy(): Promise<void> {
    if (this.brought) await this.readAll();
    if (this.looked.good === '') return;
    const name = (this.source ?? 'rows').replace(/^\w+:/, '');
    await this.keep(`${name} copy`, this.looked.good);
  }

  /** Adds rows after those that are there. */
  async add(jsonl: string): Promise<void> {
    await this.save(this.jsonl() + jsonl);
  }

  async change(at: number, row: DataRow | null): Promise<void> {
    const rows = this.looked.rows.flatMap((old, i) => (i === at ? (row ?? []) : old));
    // At once, so that the next change builds on this one.
    this.looked = { ...this.looked, rows };
    await this.save(this.jsonl());
  }

  /** A row with nothing in it yet, chosen to be filled in. */
  async addRow(): Promise<void> {
    const fields = { sft: ['prompt', 'completion'], preferences: ['prompt', 'chosen', 'rejected'] };
    const names = this.part in fields ? fields[this.part as keyof typeof fields] : ['prompt'];
    await this.add(`${JSON.stringify(Object.fromEntries(names.map((name) => [name, ''])))}\n`);
    this.chosen = this.looked.rows.length - 1;
  }

  /** Forgets a person's own rows. */
  async remove(): Promise<void> {
    const { ownName } = this;
    if (ownName === null) return;
    await this.guarded(() => removeOwn('data', ownName));
    const shipped = this.playground.shipped.data[this.part];
    this.use(shipped ?? null);
  }

  jsonl(): string {
    return this.looked.rows.map(({ fields }) => `${JSON.stringify(fields)}\n`).join('');
  }

  private async save(jsonl: string): Promise<void> {
    if (this.ownName === null) return;
    this.edits += 1;
    await this.write(this.ownName, jsonl);
    await this.look();
  }

  private async write(name: string, jsonl: string): Promise<void> {
    await this.guarded(() => writeRows(name, jsonl));
  }

  /** Rows of a source, or of a text that is to become one. */
  private async rows(source: string, text: string | null): Promise<Looked> {
    return (await this.questions.ask('lookAtRows', { part: this.part, source, text })).looked;
  }

  private get questions() {
    return this.playground.session.questions;
  }

  private async guarded<T>(action: () => Promise<T>): Promise<T | null> {
    try {
      this.error = null;
      return await action();
    } catch (error) {
      this.error = troubleOf(error, () => void this.look());
      return null;
    }
  }
}

/** How many pairs a run had sampled in the end. */
function sampled(metrics: readonly MetricsRow[]): number | undefined {
  const told = metrics.findLast((row) => typeof row['pairs'] === 'number')?.['pairs'];
  return typeof told === 'number' ? told : undefined;
}
