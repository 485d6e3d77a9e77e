// Package tar is the strategy archive "tar": one file a backup in a folder.
//
// <destination>/<id>.tar.zst (or .tar.gz, .tar) holds, in this order,
//
//	<id>/<address>/…      the tree of each artifact, in lexical order
//	<id>/manifest.json    the manifest, with each artifact's digest, in an
//	                      envelope with a digest of its own
//
// and is an ordinary PAX archive: `tar --zstd -xf` reads it without bkp.
// <destination>/<id>.manifest.json is the manifest again, with the size and
// the digest of the file, in such an envelope, too. It is written last, so a
// backup whose manifest is there is complete. If it is lost, Rebuild makes it
// again from the one inside.
//
// An artifact's digest is SHA-256 over the tar bytes of its entries, before
// compression: headers, content and padding.
//
// Reading is strict. The order of entries is part of the format, which makes
// a duplicate, an entry below a symbolic link and an entry without its folder
// all the same mistake: out of order.
//
// The package leaves out encryption and other places than a folder.
package tar
