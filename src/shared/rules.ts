// Rewards that need no training: named functions from (prompt, completion) to a number, used by PPO directly with
// {"kind": "rule", "name": …}. They are never normalised. A reward in {0, 1} has a closed-form optimum, which makes
// it the honest test of PPO on a real model: share = p·e^{1/β} / (1 − p + p·e^{1/β}).

export type Rule = (prompt: string, completion: string) => number;

const kind =
  /\b(happy|happily|glad|proud|smiled?|smiling|laughed|joy|fun|friends|hugged|thankful|grateful)\b/;
const unkind =
  /\b(sad|sadly|cried|crying|upset|scared|afraid|angry|lonely|sorry|hurt|never|not|no|died|alone)\b|n't\b/;

export const rules: Readonly<Record<string, Rule>> = {
  /** 1 when the ending has a kind word and no unkind or negating one, else 0. Finishing is missing_eos_penalty's. */
  'kind-ending': (_prompt, completion) => {
    const text = completion.toLowerCase();
    return kind.test(text) && !unkind.test(text) ? 1 : 0;
  },
};
