package importer

import (
	"slices"

	"bkp/internal/hcldoc"
	"bkp/providers"
)

// parts are the kinds of blocks, with the strategies of each. In the script of a
// Mesh node the home is that of the node, whose name the instance's stands for.
func (c *converter) parts() []part {
	all := parts()
	if !c.mesh {
		return all
	}
	for i := range all {
		if all[i].kind != providers.Homes.Name() {
			continue
		}
		all[i].kind, all[i].block = providers.MeshNodes.Name(), c.nameOfInstance()
		for n := range all[i].strategies {
			all[i].strategies[n].fields = c.fieldsOfNode(all[i].strategies[n].fields)
		}
	}
	return all
}

// fieldsOfNode leaves out what a Mesh node does not have.
func (c *converter) fieldsOfNode(fields []field) []field {
	return slices.DeleteFunc(slices.Clone(fields), func(f field) bool {
		if f.attribute != "data_stores" && f.attribute != "exclude_repositories" {
			return false
		}
		for _, name := range f.variables {
			if v, ok := c.e.vars[name]; ok {
				c.account(v, Dropped, "", "the scripts ignore it for a Mesh node, and a node is backed up whole")
			}
		}
		return true
	})
}

// homeOfNodes writes what the script of a Mesh node does not know: the home of the
// instance, and the other nodes. addresses gets that of the home.
func (c *converter) homeOfNodes(addresses map[string]string) *hcldoc.Doc {
	d := &hcldoc.Doc{}
	home := providers.Homes.Name()
	d.Prose("The script of a Mesh node does not know the home and the database of the instance. Take both blocks from the import of the instance's own script.")
	d.Open(home, "none", "shared")
	d.Close()
	d.Blank()
	addresses[home] = home + ".none.shared"
	c.gap(home, "The script of a Mesh node knows neither the home nor the database of the instance, so they are not backed up. Import the instance's own script, and bring its blocks home and database here.")
	c.gap(providers.MeshNodes.Name(), "The script knows one Mesh node. Import the scripts of the others, bring their blocks here, and name all of them in mesh_nodes: they are captured inside one lock. Set node where the block's name is not that of the node in Bitbucket.")
	return d
}
