// The shapes of the icons, as paths on a 16 by 16 grid.

export const SHAPES = {
  play: 'M4.5 2.5v11l9-5.5z',
  pause: 'M5 3v10M11 3v10',
  step: 'M3.5 3v10l7-5zM13 3v10',
  back: 'M12.5 3v10l-7-5zM3 3v10',
  rewind: 'M13 3.5v9L8 8zM7.5 3.5v9L2.5 8z',
  latest: 'M3 4l5 4-5 4zM9 4l4 4-4 4',
  share:
    'M5.8 7 10.5 4.4M5.8 9l4.7 2.6M4 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6zM12 1.9a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6zM12 10.5a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6z',
  down: 'm3 6 5 5 5-5',
  stop: 'M3.5 3.5h9v9h-9z',
  again: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
  moon: 'M13.5 9.5A6 6 0 1 1 6.5 2.5a5 5 0 0 0 7 7z',
  left: 'M10 3 5 8l5 5',
  right: 'm6 3 5 5-5 5',
  close: 'm4 4 8 8M12 4l-8 8',
  present: 'M2 2.5h12v8H2zM8 10.5V14M5 14h6',
  more: 'M3 8h.1M8 8h.1M13 8h.1',
  check: 'm3 8.5 3.3 3.3L13 5',
  warning: 'M8 2 1.5 13.5h13zM8 6.5v3.5M8 11.8v.2',
  info: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM8 7v4.5M8 4.6v.2',
  undo: 'M3 6.5h6.5a3.5 3.5 0 0 1 0 7H5M6 3.5l-3 3 3 3',
  redo: 'M13 6.5H6.5a3.5 3.5 0 0 0 0 7H11M10 3.5l3 3-3 3',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  bin: 'M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4',
  list: 'M2 4h1M5.5 4H14M2 8h1M5.5 8H14M2 12h1M5.5 12H14',
  menu: 'M2.5 4h11M2.5 8h11M2.5 12h11',
  pen: 'm3 13 .7-3L11 2.7 13.3 5 6 12.3z',
} as const;

export type IconName = keyof typeof SHAPES;
