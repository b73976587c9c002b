// Functions for docs/wasm_functions.md. Build them with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o texts.wasm texts.go
package main

import (
	"strings"
	"unicode"
	"unsafe"
)

func main() {}

// Flott puts texts here before it calls a function. What it was given is kept until it says that it is done with it.
var lent = map[unsafe.Pointer][]byte{}

//go:wasmexport flott_alloc
func alloc(size uint32) unsafe.Pointer {
	bytes := make([]byte, max(size, 1))
	place := unsafe.Pointer(&bytes[0])
	lent[place] = bytes
	return place
}

//go:wasmexport flott_free
func free(place unsafe.Pointer, _ uint32) {
	delete(lent, place)
}

// A result is copied out before the next call, so one buffer is enough.
var given []byte

func give(text string) uint64 {
	given = append(given[:0], text...)
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(given))))<<32 | uint64(len(given))
}

func text(place unsafe.Pointer, length uint32) string {
	return unsafe.String((*byte)(place), length)
}

// Every word begins with a capital letter.
//
//go:wasmexport title
func title(place unsafe.Pointer, length uint32) uint64 {
	words := strings.Fields(text(place, length))
	for i, word := range words {
		letters := []rune(strings.ToLower(word))
		letters[0] = unicode.ToUpper(letters[0])
		words[i] = string(letters)
	}
	return give(strings.Join(words, " "))
}

//go:wasmexport gcd
func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// The word at a place; it fails where there is none.
//
//go:wasmexport word
func word(place unsafe.Pointer, length uint32, at int32) uint64 {
	return give(strings.Fields(text(place, length))[at])
}
