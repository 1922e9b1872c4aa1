// Svelte 5 with plain TypeScript; runes everywhere, so that a component cannot slip back to the old syntax.
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

export default { preprocess: vitePreprocess(), compilerOptions: { runes: true } };
