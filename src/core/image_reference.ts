/** What a user's word for an image is: a path, which the holder needs absolute, or an alias, an id or an address. */

import { resolveFrom } from "./paths.ts";

/** A word with a slash, a leading dot or a disk's ending is a path. */
const FILE_NAME = /\.(qcow2|img|raw)(\.(gz|xz))?$/i;

/** The word as the holder wants it, whose working directory is another one. The command line and the library ask here. */
export function imageReference(image: string, cwd: () => string): string {
  if (isImageAddress(image)) return image;
  const isPath = image.includes("/") || image.startsWith(".") || FILE_NAME.test(image);
  return isPath ? resolveFrom(cwd(), image) : image;
}

function isImageAddress(image: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(image);
}
