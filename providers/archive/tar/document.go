package tar

import (
	"bkp/providers"
	"bkp/providers/archive/internal/document"
)

// What follows are the names that this package has for what archives share.

func seal(name string, value any) ([]byte, error)                    { return document.Seal(name, value) }
func unseal[T any](name string, data []byte) (T, error)              { return document.Open[T](name, data) }
func checkManifest(m providers.Manifest, b providers.BackupID) error { return document.Check(m, b) }
func checkAddresses(m providers.Manifest) error                      { return document.CheckAddresses(m) }
func checkPlaces(a providers.Artifact) error                         { return document.CheckPlaces(a) }
func byPlace(a, b providers.Tree) int                                { return document.ByPlace(a, b) }
func inner(m providers.Manifest) providers.Manifest                  { return document.Inner(m) }
func same(a, b providers.Manifest) bool                              { return document.Same(a, b) }
func partName(address string) string                                 { return document.PartName(address) }
func localName(name string) bool                                     { return document.LocalName(name) }
