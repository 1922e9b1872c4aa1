// Shares a job's units among threads over one shared memory. A ticket holds the job's number and the next unit not
// yet taken; a thread takes a unit by raising the ticket, which fails if the job is over. So a thread that wakes late
// does nothing wrong, and the caller waits for units, not for threads.

import { run } from './index';

export { run, scratchBytes } from './index';

// The control block. What different threads write lies in different cache lines.
const TICKET: usize = 0; // u64: job number << 32 | next unit
const JOB: usize = 64; // i32: number of the latest job, what idle threads watch
const KERNEL: usize = 68;
const ARGS: usize = 72;
const UNITS: usize = 76;
const SCRATCH: usize = 80; // thread 0's; the others' follow
const SCRATCH_SIZE: usize = 84;
const THREADS: usize = 88; // threads with a higher number stay idle
const DONE: usize = 128; // i32: units finished
const ASLEEP: usize = 192; // i32: threads that must be woken

/** Looks at the next job's number before a thread falls asleep: some 50 µs, the time between two kernels. */
const PATIENCE: i32 = 40000;

/** Does units of job `job` until none is left. */
function work(control: usize, job: u32, thread: usize): void {
  for (;;) {
    const ticket = atomic.load<u64>(control + TICKET);
    if (<u32>(ticket >> 32) != job) return;
    const units = atomic.load<u32>(control + UNITS);
    const kernel = atomic.load<i32>(control + KERNEL);
    const args = atomic.load<u32>(control + ARGS);
    const scratch = atomic.load<u32>(control + SCRATCH) + thread * atomic.load<u32>(control + SCRATCH_SIZE);
    const unit = <u32>ticket;
    if (unit >= units) return;
    if (atomic.cmpxchg<u64>(control + TICKET, ticket, ticket + 1) != ticket) continue;
    run(kernel, args, unit, unit + 1, scratch);
    if (atomic.add<u32>(control + DONE, 1) + 1 == units && thread != 0) atomic.notify(control + DONE, 1);
  }
}

/** A thread's life: never returns. */
export function serve(control: usize, thread: usize): void {
  let seen: i32 = 0;
  for (;;) {
    let looks: i32 = 0;
    while (atomic.load<i32>(control + JOB) == seen) {
      if (++looks < PATIENCE) continue;
      atomic.add<i32>(control + ASLEEP, 1);
      atomic.wait<i32>(control + JOB, seen, -1);
      atomic.sub<i32>(control + ASLEEP, 1);
    }
    seen = atomic.load<i32>(control + JOB);
    if (thread < <usize>atomic.load<u32>(control + THREADS)) work(control, <u32>seen, thread);
  }
}

/**
 * The caller's side, which is thread 0: shares out the job and returns when it is done. `mayWait`: whether this
 * thread may sleep (a window may not).
 */
export function share(
  control: usize, kernel: i32, args: usize, units: u32, threads: u32, scratch: usize, scratchSize: usize, mayWait: bool,
): void {
  const job = atomic.load<i32>(control + JOB) + 1;
  const ticket = <u64>(<u32>job) << 32;
  // Closed while its description changes, or a thread late from the last job could take a unit of neither.
  atomic.store<u64>(control + TICKET, ticket | 0xffffffff);
  atomic.store<i32>(control + KERNEL, kernel);
  atomic.store<u32>(control + ARGS, <u32>args);
  atomic.store<u32>(control + UNITS, units);
  atomic.store<u32>(control + SCRATCH, <u32>scratch);
  atomic.store<u32>(control + SCRATCH_SIZE, <u32>scratchSize);
  atomic.store<u32>(control + THREADS, threads);
  atomic.store<u32>(control + DONE, 0);
  atomic.store<u64>(control + TICKET, ticket);
  atomic.store<i32>(control + JOB, job);
  if (atomic.load<i32>(control + ASLEEP) > 0) atomic.notify(control + JOB, -1);
  work(control, <u32>job, 0);
  let looks: i32 = 0;
  for (;;) {
    const done = atomic.load<u32>(control + DONE);
    if (done == units) return;
    if (mayWait && ++looks > PATIENCE) atomic.wait<i32>(control + DONE, <i32>done, 1000000);
  }
}
