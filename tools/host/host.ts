// The page that headless Chromium opens for the command line.
export {};
