// Package searchserver runs real OpenSearch and Elasticsearch for tests, which `make
// beds` fetched (internal/lab/bed), as a user that is not root: the servers refuse it.
//
// They are the distributions without modules that the projects publish for their own
// tests. The real plugin for buckets is not among them, so a stand-in of ours gives
// OpenSearch 2 a repository type s3 whose buckets are folders.
package searchserver

import _ "embed"

// Product is a server in a pinned version.
type Product struct {
	// Name is that of its stage.
	Name string
	// Artifact is where it is published, for Maven.
	Artifact string
	// Version of the server.
	Version string
	// word is what its programs and variables are called by.
	word string
	// java is the oldest that it runs with.
	java int
}

// The servers.
var (
	OpenSearch2    = Product{"opensearch-2", "org.opensearch.distribution.integ-test-zip:opensearch:2.19.6:zip", "2.19.6", "opensearch", 11}
	OpenSearch3    = Product{"opensearch-3", "org.opensearch.distribution.integ-test-zip:opensearch:3.4.0:zip", "3.4.0", "opensearch", 21}
	Elasticsearch7 = Product{"elasticsearch-7", "org.elasticsearch.distribution.integ-test-zip:elasticsearch:7.17.9:zip", "7.17.9", "elasticsearch", 11}
)

// Products are all servers.
func Products() []Product { return []Product{OpenSearch2, OpenSearch3, Elasticsearch7} }

// Folder is what the server's archive unpacks to.
func (p Product) Folder() string { return p.word + "-" + p.Version }

// Plugin is the source of the stand-in for buckets, and Descriptor describes it to
// OpenSearch2.
var (
	//go:embed plugin/S3StandInPlugin.java
	Plugin string
	//go:embed plugin/plugin-descriptor.properties
	Descriptor string
)
