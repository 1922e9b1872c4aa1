// The golden scalars of the method reference (float64 PyTorch and numpy), each computed by the very function that
// training uses, and a reader's rule for how near is near enough. Tests run them on every backend.

import { tf } from '../src/engine/tf';
import type { StageOf } from '../src/shared/experiment';
import { defaultStage } from '../src/shared/validate';
import { adaptKlCoef, gae, whiten } from '../src/train/advantage';
import { dpoLoss } from '../src/train/dpo';
import { groupAdvantages, grpoLoss } from '../src/train/grpo';
import { ktoLoss } from '../src/train/kto';
import { bradleyTerryLoss, ppoPolicyLoss } from '../src/train/losses';
import { oddsRatio } from '../src/train/orpo';
import { leaveOneOut, rlooLoss } from '../src/train/rloo';

/** The largest |actual − expected| / |expected|. */
function relativeError(actual: ArrayLike<number>, expected: readonly number[]): number {
  if (actual.length !== expected.length) return NaN;
  return Math.max(...expected.map((value, i) => Math.abs(actual[i]! - value) / Math.abs(value)));
}

const sides = (chosen: number, rejected: number) => ({
  chosen: tf.tensor1d([chosen]),
  rejected: tf.tensor1d([rejected]),
});
const dpo = (changes: Partial<StageOf<'dpo'>>) => () =>
  dpoLoss(sides(-10, -12), sides(-11, -11.5), sides(5, 6), { ...defaultStage('dpo'), beta: 0.1, ...changes });
const kto = (ratio: number, label: boolean) => () =>
  ktoLoss(tf.tensor1d([ratio]), [label], 0.3, { ...defaultStage('kto'), beta: 0.1 });
const bradleyTerry = (options: { margin?: number; centering?: number }) => () =>
  bradleyTerryLoss(tf.tensor1d([1.2]), tf.tensor1d([0.4]), {
    centering: options.centering ?? null,
    ...(options.margin !== undefined && { margin: tf.tensor1d([options.margin]) }),
  });

const REWARDS = [0.1, -0.2, 0, 1];
const VALUES = [0.5, 0.4, 0.3, 0.2];
const estimated = () => gae(REWARDS, VALUES, 1, 0.95);
const whitened = () => whiten([estimated().advantages])[0]!;
const KL = { target: 6, episodes: 256, horizon: 10_000 };
const RATIOS = [1.3, 0.7, 0.9];
const ADVANTAGES = [1, -1, 2];
const SCORES = [1, 0, 0.5, 2];
const logRatio = (i: number) => tf.log<tf.Tensor2D>(tf.tensor2d([[RATIOS[i]!]])); // [1, 1]
const none = () => tf.zeros<tf.Rank.R2>([1, 1]);
const grpo = (i: number) => () => {
  const given = {
    old: none(),
    reference: none(),
    advantages: tf.tensor2d([[ADVANTAGES[i]!]]),
    weights: tf.ones<tf.Rank.R2>([1, 1]),
  };
  return grpoLoss(logRatio(i), given, { ...defaultStage('grpo'), beta: 0 }, 1).loss;
};
const CLIPPED = [-1.2, 0.8, -1.8];

export interface Scalars {
  name: string;
  compute: () => tf.Tensor | ArrayLike<number>;
  expected: readonly number[];
}

const row = (name: string, compute: Scalars['compute'], ...expected: number[]): Scalars => ({
  name,
  compute,
  expected,
});

export const SCALARS: readonly Scalars[] = [
  row('GAE, advantages', () => estimated().advantages, 0.31065, 0.327, 0.66, 0.8),
  row('GAE, returns', () => estimated().returns, 0.81065, 0.727, 0.96, 1),
  row('whitening', whitened, -0.87512, -0.808184, 0.55508, 1.128224),
  // OpenAI's variance has no Bessel's correction, which for n numbers is a factor of √(n / (n − 1)) and nothing else.
  row(
    'whitening by the biased variance',
    () => whitened().map((value) => value * Math.sqrt(4 / 3)),
    ...[-1.010501, -0.933211, 0.640951, 1.302761],
  ),
  row('DPO, sigmoid', dpo({}), 0.620957),
  row('DPO, hinge', dpo({ loss_type: 'hinge' }), 0.85),
  row('DPO, robust', dpo({ loss_type: 'robust', label_smoothing: 0.1 }), 0.602207),
  row('DPO, label-smoothed', dpo({ label_smoothing: 0.1 }), 0.635957),
  row('DPO, IPO a token', dpo({ loss_type: 'ipo' }), 22.2469444),
  row('DPO, IPO', dpo({ loss_type: 'ipo', ipo_length_norm: false }), 12.25),
  row('KTO, a good completion', kto(1, true), 0.4825071),
  row('KTO, a bad completion', kto(-0.5, false), 0.4800107),
  row('Bradley–Terry', bradleyTerry({}), 0.3711007),
  row('Bradley–Terry with a margin', bradleyTerry({ margin: 0.3 }), 0.474077),
  row('Bradley–Terry, centred', bradleyTerry({ centering: 0.01 }), 0.3967007),
  row('ORPO, log-odds', () => oddsRatio(sides(-1, -1.5)).logOdds, 0.7061927),
  row('ORPO, log σ of them', () => tf.neg(oddsRatio(sides(-1, -1.5)).loss), -0.4011355),
  row('RLOO, advantages', () => leaveOneOut(SCORES, 4), 0.1666667, -1.1666667, -0.5, 1.5),
  row(
    'GRPO, advantages',
    () => groupAdvantages(SCORES, 4, 'group'),
    ...[0.1463679, -1.0245751, -0.4391036, 1.3173108],
  ),
  row('adaptive KL, above its target', () => [adaptKlCoef(0.2, 10, KL)], 0.201024),
  row('adaptive KL, then below', () => [adaptKlCoef(adaptKlCoef(0.2, 10, KL), 3, KL)], 0.199994757),
  ...CLIPPED.flatMap((loss, i) => {
    const named = `ratio ${RATIOS[i]!}, advantage ${ADVANTAGES[i]!}`;
    const advantage = () => tf.tensor1d([ADVANTAGES[i]!]);
    return [
      row(`PPO, ${named}`, () => ppoPolicyLoss(logRatio(i), none(), advantage(), 0.2, 1).loss, loss),
      row(`GRPO, ${named}`, grpo(i), loss),
      row(`RLOO, ${named}`, () => rlooLoss(logRatio(i), none(), advantage(), 0.2, 1).loss, loss),
    ];
  }),
  row(
    'PPO, share clipped',
    () => ppoPolicyLoss(tf.log(tf.tensor1d(RATIOS)), tf.zeros([3]), tf.tensor1d(ADVANTAGES), 0.2, 3).clipfrac,
    2 / 3,
  ),
];

/** Every scalar's relative error on the present backend. */
export async function scalarErrors(): Promise<{ name: string; error: number }[]> {
  const rows = [];
  for (const { name, compute, expected } of SCALARS) {
    const tensor = tf.tidy(() => {
      const found = compute();
      return found instanceof tf.Tensor ? found : tf.tensor1d(Float32Array.from(found));
    });
    rows.push({ name, error: relativeError(await tensor.data(), expected) });
    tensor.dispose();
  }
  return rows;
}
