// Package trouble holds tests only: the real bkp, in a process of its own, in
// real trouble. Disks fill and turn read-only, the database goes away, the
// instance restarts, connections break, signals come, each at every phase of a
// run. After each, the instance has to be free, nothing half-made may be left
// once it was recovered, and the next backup has to work.
//
// It leaves out single effects that fail (internal/lab/torture), and what can be
// tested from one package alone.
package trouble
