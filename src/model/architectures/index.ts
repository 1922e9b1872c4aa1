// The architectures we compute, by the `model_type` of their config.json.

import type { Architecture } from '../types';
import { gpt2 } from './gpt2';
import { gptNeo } from './gpt-neo';
import { gptNeoX } from './gpt-neox';
import { llama } from './llama';

export const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map([
  ['gpt_neo', gptNeo],
  ['gpt2', gpt2],
  ['gpt_neox', gptNeoX],
  ['llama', llama],
  // Llama with a sliding window.
  ['mistral', llama],
]);
