// The worker's life as the page sees it. It is started once something is to be computed; when its device is lost or it
// dies itself, all that it held is gone: whoever waits for it is told, another takes its place, and a run that was at
// work goes on from its last checkpoint.

import { type PlainError, toPlainError } from '../shared/errors';
import type { Command, Event } from '../shared/protocol';
import { startWorker, type WorkerClient } from '../worker/client';
import type { Address } from './state/address';
import type { Playground } from './state/playground.svelte';
import { samplesOf } from './state/saved';

/** Lost twice in so many milliseconds is once too often to go on by itself. */
const MINUTE = 60_000;
/** A device may be told lost only after the run that it ended has been told to have failed: by so many milliseconds. */
const SOON = 10_000;

export class Engine {
  private worker: WorkerClient | null = null;
  /** Commands in their order, each ready to be sent. */
  private line: Promise<void> = Promise.resolve();
  private playground: Playground | null = null;
  private lostAt = -Infinity;
  private failedAt = -Infinity;

  constructor(
    private readonly backend: Address['backend'],
    /** What must have happened before the worker hears a command. */
    private readonly prepare: (command: Command) => Promise<void>,
  ) {}

  /** The page it works for. */
  serve(playground: Playground): void {
    this.playground = playground;
  }

  /** Sends a command, after those before it; what keeps it from being sent is told to whoever asked. */
  readonly send = (command: Command): void => {
    const deliver = async (): Promise<void> => {
      await this.prepare(command);
      this.started.send(command);
    };
    const request = 'request' in command ? command.request : null;
    this.line = this.line
      .then(deliver)
      .catch((error: unknown) => this.hear({ type: 'error', request, error: toPlainError(error) }));
  };

  /** Starts the worker, unless there is one. */
  wake(): void {
    if (!this.worker) this.start();
  }

  private get started(): WorkerClient {
    return this.worker ?? this.start();
  }

  private start(): WorkerClient {
    const worker = startWorker(
      // One that was given up may still have had something to say.
      (event) => {
        if (this.worker === worker) this.hear(event);
      },
      (error) => {
        if (this.worker === worker) this.bury(error);
      },
    );
    this.worker = worker;
    worker.send({ type: 'open', backend: this.backend });
    const { playground } = this;
    if (!playground) return worker;
    const { models, draft } = playground;
    // What somebody is waiting for comes first.
    if (models.asked === null) void models.loadIfHere(draft.model);
    return worker;
  }

  private hear(event: Event): void {
    const { playground } = this;
    if (!playground) return;
    const { session } = playground;
    if (event.type === 'run' && event.state === 'failed') this.failedAt = performance.now();
    session.receive(event);
    if (event.type === 'error' && event.error.code === 'device-lost') void this.replace(event.error);
    if (event.type === 'run' && !session.busy) playground.release();
    const { runId } = session;
    if (event.type !== 'report' || runId === null) return;
    samplesOf(runId).then(
      (samples) => session.addSamples(samples),
      (error: unknown) => (session.error = toPlainError(error)),
    );
  }

  /** Puts another worker in the place of one whose device is lost. */
  private async replace(why: PlainError): Promise<void> {
    const { playground } = this;
    if (!playground) return;
    const { session } = playground;
    const now = performance.now();
    const again = now - this.lostAt < MINUTE;
    const wasBusy = session.busy || now - this.failedAt < SOON;
    this.lostAt = now;
    this.forget(why);
    if (again) {
      if (session.busy) this.hear({ type: 'run', state: 'failed' });
      return;
    }
    this.start();
    session.error = null;
    if (wasBusy) await playground.continue();
  }

  /** A worker that has died takes its run with it, as far as that is not kept; the next command starts another. */
  private bury(why: PlainError): void {
    const { session } = this.playground ?? {};
    this.forget(why);
    if (session?.busy) this.hear({ type: 'run', state: 'failed' });
    this.hear({ type: 'error', request: null, error: why });
  }

  private forget(why: PlainError): void {
    this.worker?.close();
    this.worker = null;
    const { session, models } = this.playground ?? {};
    if (!session || !models) return;
    models.asked = null;
    session.loaded = null;
    session.loading = null;
    session.memory = null;
    session.questions.giveUp(why);
  }
}
