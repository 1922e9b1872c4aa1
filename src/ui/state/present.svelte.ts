// Presenting: large type and few things, for a room to read. An attribute of the document, read by app.css.

class Present {
  private presenting = $state(false);

  get on(): boolean {
    return this.presenting;
  }

  toggle(): void {
    this.presenting = !this.presenting;
    document.documentElement.toggleAttribute('data-present', this.presenting);
  }
}

export const present = new Present();
