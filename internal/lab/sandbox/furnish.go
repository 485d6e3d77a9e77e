package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// furnish makes everything of a home but its repositories and database.
func furnish(dir, database string) error {
	properties, err := jdbc(database)
	if err != nil {
		return err
	}
	kept := map[string]string{
		"shared/bitbucket.properties":                             "setup.displayName=Bitbucket sandbox\nserver.port=7990\n" + properties,
		"shared/config/ssh-server-keys.pem":                       "not a key\n",
		"shared/data/attachments/repository/1/1a2b3c/diagram.png": picture(4096),
		"shared/data/attachments/pull-request/1/notes.txt":        "An attachment with a name of its own.\n",
		"shared/data/avatars/users/1/64.png":                      picture(512),
		"shared/data/avatars/users/1/256.png":                     picture(2048),
		"shared/data/git-lfs/storage/1/3f/a9c01b":                 picture(65536),
		"shared/plugins/installed-plugins/example-1.0.jar":        picture(8192),
		"bin/set-bitbucket-home.sh":                               "export BITBUCKET_HOME\n",
		"lib/native/README.txt":                                   "Native libraries.\n",
	}
	// What a backup leaves out.
	left := map[string]string{
		".lock":                                  "sandbox\n",
		"shared/.lock":                           "sandbox\n",
		"caches/cache.index":                     picture(1024),
		"log/atlassian-bitbucket.log":            "INFO the sandbox has started\n",
		"tmp/upload.part":                        "half of an upl",
		"search/data/nodes.index":                picture(1024),
		"shared/search/data/segment.si":          picture(1024),
		"export/export.tar":                      picture(1024),
		"shared/export/export.tar":               picture(1024),
		"plugins/.osgi-plugins/felix/bundle.jar": picture(1024),
	}
	for _, files := range []map[string]string{kept, left} {
		for name, content := range files {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
				return err
			}
			if err := put(path, []byte(content)); err != nil {
				return err
			}
		}
	}
	// An empty folder that must survive a backup.
	return os.MkdirAll(filepath.Join(dir, "shared", "data", "repositories"), 0o750)
}

func put(path string, content []byte) error {
	mode := os.FileMode(0o640)
	if filepath.Base(path) == "bitbucket.properties" {
		mode = 0o600 // it holds a password
	}
	return os.WriteFile(path, content, mode)
}

// picture is content of a size that looks like nothing in particular.
func picture(size int) string {
	var b strings.Builder
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, "%08x", uint32(n)*2654435761)
	}
	return b.String()[:size]
}
