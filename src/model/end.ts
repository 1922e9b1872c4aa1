// Which tokens end a text. Some models have several end tokens, as those that were taught to chat have one for a turn and
// one for the text: any of them ends a completion, and the first is the one that is learnt.

import type { ModelConfig } from './types';

type Ends = Pick<ModelConfig, 'eosId' | 'otherEosIds'>;

/** All of them, the first one first; none where `eosId` is null. */
export const endsOf = ({ eosId, otherEosIds = [] }: Ends): number[] =>
  eosId === null ? [] : [eosId, ...otherEosIds];

export const isEnd = (config: Ends, id: number | undefined): boolean =>
  id !== undefined && endsOf(config).includes(id);
