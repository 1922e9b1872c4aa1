// The models at hand: those this browser keeps, of the hub and a person's own, and adapters to put on top. Nothing is
// fetched from elsewhere before the person has said so.

import { PlaygroundError } from '../../shared/errors';
import type { Command } from '../../shared/protocol';
import { type KeptModel, listKeptModels, removeKeptModel } from '../../storage/hub-files';
import { listOwn, type Own, type OwnKind, removeOwn, writeOwn } from '../../storage/own-store';
import { freeName, modelFiles } from '../lib/bring';
import type { Session } from '../state/session.svelte';
import { troubleOf } from '../state/trouble';

const HUB = 'hf:';

export class Models {
  hub = $state.raw<KeptModel[]>([]);
  own = $state.raw<Own[]>([]);
  adapters = $state.raw<Own[]>([]);
  /** What the worker was asked to load and has not loaded yet. */
  asked = $state<string | null>(null);
  /** The source that was last asked for and would have had to be fetched. */
  refused: string | null = null;
  private pending: Promise<void> = Promise.resolve();
  /** Sources whose download the person has agreed to. */
  private agreed: readonly string[] = [];

  constructor(
    private readonly session: Session,
    private readonly send: (command: Command) => void,
  ) {}

  /** Whether a model would have to be fetched from elsewhere, and nobody has agreed to that. */
  needsFetch(source: string): boolean {
    if (!source.startsWith(HUB) || this.agreed.includes(source)) return false;
    return !this.hub.some((kept) => kept.source === source && kept.whole);
  }

  /** Loads a model, fetching it if need be: the person has asked for it. */
  load(source: string): void {
    this.agreed = [...this.agreed, source];
    this.session.error = null;
    void this.session.attempt(() => this.request(source));
  }

  /** Loads a model if that fetches nothing. */
  async loadIfHere(source: string): Promise<void> {
    if (source.startsWith(HUB)) await this.refresh();
    if (!this.needsFetch(source)) void this.session.attempt(() => this.request(source));
  }

  /** Sees to it that the worker has a model: a page that replays has none. Throws what kept it from being loaded, and
   *  where that would fetch it. */
  async need(source: string): Promise<void> {
    if (this.asked === source) return this.pending;
    if (this.asked === null && this.session.loaded?.source === source) return;
    if (source.startsWith(HUB)) await this.refresh();
    if (this.needsFetch(source)) throw this.notFetched(source);
    await this.request(source);
  }

  /** Going on would fetch a model that the person has not asked for. */
  notFetched(source: string): PlaygroundError {
    this.refused = source;
    return new PlaygroundError(
      'not-fetched',
      'The model of this experiment is not on this machine yet.',
      'Fetch it first, or choose one that is here.',
    );
  }

  private request(source: string): Promise<void> {
    const { session } = this;
    if (session.loaded?.source !== source) session.loaded = null;
    this.asked = source;
    const pending = session.questions
      .ask('loadModel', { model: source })
      .then(() => undefined)
      .finally(() => {
        if (this.pending === pending) this.asked = null;
      });
    this.pending = pending;
    return pending;
  }

  cancel(): void {
    this.send({ type: 'cancelLoading' });
  }

  /** Looks again at what is kept. */
  async refresh(): Promise<void> {
    await this.session.attempt(async () => {
      const [hub, own, adapters] = await Promise.all([
        listKeptModels(),
        listOwn('model'),
        listOwn('adapter'),
      ]);
      Object.assign(this, { hub, own, adapters });
    });
  }

  async removeHub(source: string): Promise<void> {
    this.agreed = this.agreed.filter((agreed) => agreed !== source);
    await this.guarded(() => removeKeptModel(source));
  }

  async removeOwn(kind: OwnKind, name: string): Promise<void> {
    await this.guarded(() => removeOwn(kind, name));
  }

  /** Keeps the files of a folder, which is a model or an adapter; what it is and its name, null if it is neither. */
  async bring(files: readonly File[]): Promise<{ kind: 'model' | 'adapter'; name: string } | null> {
    const found = modelFiles(files);
    if (!found.kind) {
      this.session.error = troubleOf(
        new PlaygroundError(
          'bad-model',
          `These files are no model and no adapter: of what is read there is ${[...found.files.keys()].join(', ') || 'nothing'}.`,
          'A model needs config.json and model.safetensors (or its shards with their index), an adapter adapter_config.json and adapter_model.safetensors.',
        ),
      );
      return null;
    }
    const { kind, files: wanted } = found;
    const taken = (kind === 'adapter' ? this.adapters : this.own).map(({ name }) => name);
    const folder = files[0]?.webkitRelativePath.split('/').at(-2) ?? '';
    const name = freeName(folder || `my ${kind}`, taken);
    const kept = await this.guarded(async () => {
      await writeOwn(kind, name, wanted);
      return true;
    });
    return kept ? { kind, name } : null;
  }

  private async guarded<T>(action: () => Promise<T>): Promise<T | null> {
    try {
      const done = await action();
      await this.refresh();
      return done;
    } catch (error) {
      this.session.error = troubleOf(error, () => void this.guarded(action));
      return null;
    }
  }
}
