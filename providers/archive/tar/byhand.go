package tar

import (
	"strings"

	"bkp/internal/host"
	"bkp/providers"
	"bkp/providers/archive/internal/shelf"
	"bkp/providers/archive/place"
)

var _ providers.ByHand = (*archive)(nil)

// decrypting are the commands that open what was sealed, by its method. The secret key
// is named by the one who runs them.
var decrypting = map[string]string{
	"age": `age --decrypt --identity "$key"`,
	"gpg": "gpg --quiet --decrypt",
}

// tarFlags decompress, by the suffix of a format.
var tarFlags = map[string]string{".tar.zst": "--zstd", ".tar.gz": "--gzip", ".tar": ""}

// ByHand implements providers.ByHand.
func (a *archive) ByHand(m providers.Manifest) (commands, needs []string) {
	stored, _ := m.In(a.env.Address)
	needs = []string{"tar", "zstd or gzip"}
	if a.place.Destination().Folder == "" {
		needs = append(needs, "the program aws, or another that reads objects")
	}
	if stored.Sealed != nil {
		needs = append(needs, stored.Sealed.Method+" and the secret key of a recipient")
		if stored.Sealed.Method == "age" {
			commands = append(commands, "key=/mnt/usb/key.txt")
		}
	}
	for _, address := range shelf.SortedParts(stored) {
		commands = append(commands, a.unpackByHand(m.ID, stored, stored.Parts[address])...)
	}
	return commands, needs
}

// unpackByHand prints the objects of a part one after the other into what decrypts,
// decompresses and unpacks them.
func (a *archive) unpackByHand(id providers.BackupID, stored providers.Stored, part providers.Part) []string {
	if len(part.Objects) == 0 {
		return nil
	}
	var read, out []string
	for _, o := range part.Objects {
		at := a.place.At(place.Name(id, o.Name))
		if a.place.Destination().Folder == "" {
			read = append(read, a.getByHand(place.Name(id, o.Name)))
			continue
		}
		out = append(out, "echo "+host.ShellWord(o.SHA256+"  "+at)+" | sha256sum --check")
		read = append(read, "cat "+host.ShellWord(at))
	}
	name := part.Objects[0].Name
	steps := []string{read[0]}
	if len(read) > 1 {
		steps[0] = "{ " + strings.Join(read, " && ") + "; }"
	}
	if stored.Sealed != nil {
		steps = append(steps, decrypting[stored.Sealed.Method])
		name = strings.TrimSuffix(name, "."+stored.Sealed.Method)
	}
	f, _ := formatOf(name)
	untar := strings.Join(strings.Fields("tar "+tarFlags[f.suffix]+" --extract --preserve-permissions --xattrs --xattrs-include='*'"), " ")
	return append(out, strings.Join(append(steps, untar+` --directory "$work"`), " | "))
}

// getByHand prints an object of a store.
func (a *archive) getByHand(name string) string {
	at := "s3://" + strings.TrimSuffix(strings.TrimPrefix(a.cfg.Destination, "s3://"), "/") + "/" + name
	command := "aws s3 cp"
	if a.cfg.Endpoint != "" {
		command += " --endpoint-url " + host.ShellWord(a.cfg.Endpoint)
	}
	return command + " " + host.ShellWord(at) + " -"
}
