// Package filemeta is what a file carries besides its content: type, mode,
// owner, times, extended attributes, device numbers and the identity by which
// hard links and changes are found. It also finds the holes of a sparse file.
//
// Whatever takes a folder and a name works relative to that open folder and
// never follows a symbolic link in name, so that nothing planted in a tree
// leads outside it. To work inside an os.Root, open the parent folder through
// the root:
//
//	dir, err := root.Open(path.Dir(name))
//	...
//	lost, err := filemeta.ApplyAt(dir, path.Base(name), meta)
//
// On Linux all of it holds. On darwin extended attributes are neither read nor
// written, and a sparse file looks like one range of data. On Windows there
// are, in addition, no owners, change times, identities or special files, and
// the name is joined to the folder's path.
//
// The package leaves out content, and whatever decides which files matter.
package filemeta
