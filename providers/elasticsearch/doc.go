// Package elasticsearch is what strategies of kind "elasticsearch" share. They capture
// Bitbucket's search index, of Elasticsearch and OpenSearch alike: the servers' snapshots
// differ in no call, and the word is that of Bitbucket's own settings.
//
// A snapshot is begun under the lock and holds what each shard is at the moment in
// which its turn comes, so Capture returns when every shard has begun; how long the
// server then copies is of no interest to users. Finish waits for it, after the unlock
// and in another process if need be. What a server that dies, or somebody's DELETE, ends
// on the way is no backup.
//
// A snapshot cannot be changed. So Keep makes a second one besides, which holds no index
// and whose metadata say that the first one stays, and name its backup. Metadata
// alone decide what is listed and removed: a repository may hold snapshots of others.
//
// It leaves out what a repository is made of (the packages of the strategies) and the
// calls themselves (internal/api).
package elasticsearch
