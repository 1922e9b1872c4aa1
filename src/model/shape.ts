// What the memory budget needs to know of a model.

import type { ModelShape } from '../shared/memory-formula';
import type { Architecture, LanguageModel, ModelConfig } from './types';

export function shapeOf({ architecture, config, parameters }: Omit<LanguageModel, 'weights'>): ModelShape {
  return { ...config, parameters, linears: architecture.linears(config) };
}

/** The same of a model that is not loaded. */
export function shapeFromConfig(architecture: Architecture, config: ModelConfig): ModelShape {
  const sizes = [...architecture.parameters(config).values()].map((shape) =>
    shape.reduce((a, b) => a * b, 1),
  );
  const parameters = sizes.reduce((sum, size) => sum + size, 0);
  return { ...config, parameters, linears: architecture.linears(config) };
}
