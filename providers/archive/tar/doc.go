// Package tar is the strategy archive "tar": each part of a backup is a tar file.
//
// In the place where the archive's objects lie, a backup has
//
//	<id>/<part>.tar.zst   (or .tar.gz, .tar) one artifact, several when there are more
//	<id>/manifest.json    the manifest, with the size and the digest of each of
//	                      these, in an envelope with a digest of its own
//
// The manifest is written last, so a backup whose manifest is there is complete.
// A part has, in this order,
//
//	<id>/<part>/…         the tree of the artifact, in lexical order
//	<id>/<part>.json      its record: the manifest as far as it was known, all
//	                      parts that there are, and the digest of what stands
//	                      before it, sealed like the manifest
//
// and is an ordinary PAX archive: `tar --zstd -xf` reads it without bkp. A part is
// named by the address of its artifact; see partName. If the manifest is lost,
// Rebuild makes it again from the records.
//
// The digest of a record is SHA-256 over the tar bytes of the entries before it,
// before compression: headers, content and padding. That in the manifest is over the
// object as it is stored.
//
// Reading is strict. The order of entries is part of the format, which makes
// a duplicate, an entry below a symbolic link and an entry without its folder
// all the same mistake: out of order.
//
// With an encryption the object is what its sealer makes of the compressed tar, and
// ends in the sealer's method: <part>.tar.zst.age. The manifest stays readable, says
// for whom it was sealed, and has the digest of the object as it is stored, so that
// no key is needed to list, to delete and to compare digests. What is read of an
// object counts only once its sealed end was seen.
//
// The package leaves out how something is sealed, and where the objects lie (place).
package tar
