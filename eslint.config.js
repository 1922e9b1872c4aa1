// Lint rules: type-checked TypeScript, Svelte, and the arrows of the architecture (who may import whom) as one table.
import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

/** Each folder of src and the folders it may import from, besides itself. */
const arrows = {
  shared: [],
  engine: ['shared'],
  model: ['engine', 'shared'],
  data: ['model', 'engine', 'shared'],
  reward: ['model', 'data', 'engine', 'shared'],
  feedback: ['reward', 'model', 'data', 'engine', 'shared'],
  evaluate: ['reward', 'model', 'data', 'engine', 'shared'],
  train: ['reward', 'model', 'data', 'engine', 'shared'],
  storage: ['shared'],
  experiment: ['train', 'evaluate', 'feedback', 'reward', 'model', 'data', 'engine', 'storage', 'shared'],
  worker: [
    'experiment',
    'train',
    'evaluate',
    'feedback',
    'reward',
    'model',
    'data',
    'engine',
    'storage',
    'shared',
  ],
  ui: ['worker', 'feedback', 'storage', 'shared'],
};

/** Packages that belong to some folders only: one place to look when a library changes. */
const packages = {
  '@tensorflow/': ['engine'],
  '@xenova/transformers': ['model', 'data'],
  svelte: ['ui'],
  uplot: ['ui'],
  uqr: ['ui'],
  idb: ['storage'],
  'node:': ['storage'],
};

const folderRules = Object.entries(arrows).map(([folder, allowed]) => {
  const others = Object.keys(arrows).filter((other) => other !== folder && !allowed.includes(other));
  const foreign = Object.keys(packages).filter((name) => !packages[name].includes(folder));
  const patterns = [
    {
      regex: `^(\\.\\./)+(${[...others, 'ui/.*'].join('|')})(/|$)`,
      message: `src/${folder} may import from: ${allowed.join(', ') || 'nothing of ours'}.`,
    },
    {
      regex: `^(${foreign.join('|')})`,
      message: `src/${folder} does not use this package (see eslint.config.js).`,
    },
  ];
  if (folder === 'ui') {
    patterns.push({
      regex: '/worker/(?!client$)',
      message: 'The page reaches the worker through its client.',
    });
    patterns.push({
      regex: '/feedback/(?!human$)',
      message: 'Of feedback the page has a person’s part only; the rest is the worker’s.',
    });
  }
  if (['train', 'reward', 'data', 'feedback'].includes(folder)) {
    patterns.push({
      regex: '/evaluate/judge',
      message: 'The final judge is unseen: training code knows no judge.',
    });
  }
  return {
    files: [`src/${folder}/**/*.{ts,svelte}`],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns }],
      'no-restricted-globals': [
        'error',
        'process',
        'Buffer',
        ...(folder === 'ui' ? [] : ['window', 'document', 'localStorage']),
      ],
    },
  };
});

export default ts.config(
  { ignores: ['dist/', 'build/', 'src/engine/wasm/assembly/', 'test-results/', 'playwright-report/'] },
  js.configs.recommended,
  ts.configs.strictTypeChecked,
  svelte.configs.recommended,
  {
    languageOptions: {
      globals: { ...globals.browser, ...globals.node },
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: ['.svelte'],
      },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true },
    rules: {
      'max-lines': ['error', { max: 400 }],
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  { files: ['**/*.js', '**/*.mjs'], extends: [ts.configs.disableTypeChecked] },
  {
    // A kernel's name decides what it gives back; as in tfjs, the caller says it as a type.
    files: ['src/engine/tf.ts'],
    rules: { '@typescript-eslint/no-unnecessary-type-parameters': 'off' },
  },
  {
    files: ['src/engine/private.ts'],
    rules: Object.fromEntries(
      [
        'explicit-any',
        'unsafe-assignment',
        'unsafe-call',
        'unsafe-member-access',
        'unsafe-return',
        'unsafe-argument',
      ].map((name) => [`@typescript-eslint/no-${name}`, 'off']),
    ),
  },
  ...folderRules,
);
