// A mirror of a log, checked by the implementation behind Go's checksum database.
//
// Usage: tlog-check FOLDER KEY SMALLER
//
// KEY is a signed-note verifier key. SMALLER is an older size: that the log contains it is proved
// and checked. What is printed is the root at that size and at the newest, in base64.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type folder string

func (f folder) Height() int { return height }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(string(f), path(tile)))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

// path is the tile's path without the height, which tlog-tiles leaves out, and with bundles
// under "entries".
func path(tile tlog.Tile) string {
	path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
	return strings.Replace(path, "tile/data/", "tile/entries/", 1)
}

func main() {
	if err := check(folder(os.Args[1]), os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(mirror folder, key, smaller string) error {
	tree, err := checkpoint(mirror, key)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, mirror)
	if err := entries(mirror, tree, hashes); err != nil {
		return err
	}
	old, err := strconv.ParseInt(smaller, 10, 64)
	if err != nil {
		return err
	}
	oldRoot, err := tlog.TreeHash(old, hashes)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, old, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old, oldRoot); err != nil {
		return err
	}
	fmt.Println(oldRoot)
	fmt.Println(tree.Hash)
	return nil
}

// checkpoint opens the signed note and reads its size and root.
func checkpoint(mirror folder, key string) (tlog.Tree, error) {
	var tree tlog.Tree
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return tree, err
	}
	text, err := os.ReadFile(filepath.Join(string(mirror), "checkpoint"))
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// entries compares every entry of every bundle with its hash in the tree.
func entries(mirror folder, tree tlog.Tree, hashes tlog.HashReader) error {
	for first := int64(0); first < tree.N; first += 1 << height {
		width := min(tree.N-first, 1<<height)
		tile := tlog.Tile{H: height, L: -1, N: first >> height, W: int(width)}
		data, err := os.ReadFile(filepath.Join(string(mirror), path(tile)))
		if err != nil {
			return err
		}
		for index := first; index < first+width; index++ {
			length := int(binary.BigEndian.Uint16(data))
			entry := data[2 : 2+length]
			data = data[2+length:]
			found, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			if err != nil {
				return err
			}
			if found[0] != tlog.RecordHash(entry) {
				return fmt.Errorf("entry %d is not the one in the tree", index)
			}
		}
		if len(data) != 0 {
			return fmt.Errorf("%s holds more than it may", path(tile))
		}
	}
	return nil
}
