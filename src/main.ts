// Starts the page: asks for the recording that it opens on, puts on the theme that was chosen, shows the picture that came
// with the document, and loads all else once that stands.

import { opensOnFirstPicture } from './ui/recorded/early';
import { drawn } from './ui/state/later';
import { keptTheme, wear } from './ui/state/theme-kept';

wear(keptTheme());

// See prerender/first-picture.ts. Nothing in it can be used before the page takes its place.
const picture = document.getElementById('first-picture');
const app = document.getElementById('app');
if (app && picture instanceof HTMLTemplateElement && opensOnFirstPicture && !document.hidden) {
  const { content } = picture;
  for (const element of content.querySelectorAll<HTMLElement>('[data-style]')) {
    element.style.cssText = element.dataset.style ?? '';
  }
  app.inert = true;
  app.append(content);
  await drawn();
}

void import('./page');
