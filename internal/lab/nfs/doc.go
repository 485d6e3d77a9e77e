// Package nfs exports a folder over NFS and mounts it on the same machine, as other
// machines would, through a network as slow as a test asks for. It is for guests
// (internal/lab/vm): it needs root, and takes the one NFS server that a kernel has.
//
// Two clients of one machine share what they know of files unless they differ: a
// mount of NFS 4.2 and one of 4.0 are two clients to the kernel and to the server.
package nfs
