// What a component that opens over the page lets others do; type-aware linting cannot see a component's own exports.

export interface Opens {
  open: () => void;
}

export interface OpensAndCloses extends Opens {
  close: () => void;
}
