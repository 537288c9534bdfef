/** The kind of an image reference: a path, which the holder needs absolute, or an alias, an id or an address. */

import { resolveFrom } from "./paths.ts";

/** A reference with a slash, a leading dot or a disk's extension is a path. */
const FILE_NAME = /\.(qcow2|img|raw)(\.(gz|xz))?$/i;

/**
 * The reference with an absolute path, because the holder has another working directory. For the command line and the
 * library.
 */
export function imageReference(image: string, cwd: () => string): string {
  if (isImageAddress(image)) return image;
  const isPath = image.includes("/") || image.startsWith(".") || FILE_NAME.test(image);
  return isPath ? resolveFrom(cwd(), image) : image;
}

function isImageAddress(image: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(image);
}
