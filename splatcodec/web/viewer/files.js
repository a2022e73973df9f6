/** The .gsi files of a page; each is decoded when it is first looked at. */
class Files {
  static MAGIC = [0x89, 0x47, 0x53, 0x49];

  /** Whether bytes begin as those of a .gsi file do. */
  static isGsi(bytes) {
    return Files.MAGIC.every((byte, i) => bytes[i] === byte);
  }

  #list = [];

  get length() {
    return this.#list.length;
  }

  /** Add a file, and give its number. */
  add(name, bytes) {
    return this.#list.push({ name, bytes }) - 1;
  }

  nameOf(number) {
    return this.#list[number].name;
  }

  /** A file with its `picture`, and the `order` of the strongest Gaussians; throws what is wrong with it. */
  open(number) {
    const file = this.#list[number];
    if (!file.picture) {
      const picture = gsi.decode(file.bytes);
      Object.assign(file, { picture: { ...picture, key: number }, order: gsiRender.strongestFirst(picture.colors) });
    }
    return file;
  }
}
