// Checks the Go library github.com/twstrike/otr3 with the vectors of a folder.
//
// Most of what they ask for is not exported, so build.sh makes this file a part of the library's package while it is
// built; in a library of your own it would be a test. `operations` has a function for each operation that is asked of
// the library here. It gets a group and a case, and returns what the library makes of them by the names of `expect`,
// and whether it takes them as valid. The known file has the cases that the library is known to fail, with the reason.
package otr3

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
)

type object = map[string]interface{} // a group, a case, or a part of one

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func data(value interface{}) []byte { return must(hex.DecodeString(value.(string))) }

func number(value interface{}) *big.Int {
	n, _ := new(big.Int).SetString(value.(string), 16)
	return n
}

var operations = map[string]func(group, given object) (found object, valid bool){
	"public_key": func(_, given object) (object, bool) {
		rest, ok, key := ParsePublicKey(data(given["encoded"]))
		if !ok || len(rest) > 0 {
			return object{}, false
		}
		read := key.(*DSAPublicKey)
		numbers := object{"p": read.P.Text(16), "q": read.Q.Text(16), "g": read.G.Text(16), "y": read.Y.Text(16)}
		numbers["fingerprint"] = hex.EncodeToString(key.Fingerprint())
		return numbers, true
	},
	"session_keys": func(_, given object) (object, bool) {
		private, theirs := number(given["private"]), number(given["their_public"])
		if !isGroupElement(theirs) { // as the library does before
			return object{}, false
		}
		ours := modExp(g1, private)
		keys := calculateDHSessionKeys(private, ours, theirs, otrV3{})
		return object{
			"our_public":    ours.Text(16),
			"sending_aes":   hex.EncodeToString(keys.sendingAESKey),
			"sending_mac":   hex.EncodeToString(keys.sendingMACKey),
			"receiving_aes": hex.EncodeToString(keys.receivingAESKey),
			"receiving_mac": hex.EncodeToString(keys.receivingMACKey),
			"extra_key":     hex.EncodeToString(keys.extraKey),
		}, true
	},
	"open_signature": func(group, given object) (object, bool) {
		c := &Conversation{version: otrV3{}}
		c.initAKE()
		c.ake.theirPublicValue, c.ake.ourPublicValue = number(group["signer_public"]), number(group["other_public"])
		keys := &akeKeys{data(group["c"]), data(group["m1"]), data(group["m2"])}
		if c.processEncryptedSig(data(given["encrypted_signature"]), data(given["mac"]), keys) != nil {
			return object{}, false
		}
		fingerprint := hex.EncodeToString(c.theirKey.Fingerprint())
		return object{"fingerprint": fingerprint, "keyid": float64(c.ake.keys.theirKeyID)}, true
	},
}

// fits tells whether a case is passed. Where readings differ there are `results`; the library may follow any of them.
func fits(given, found object, valid bool) bool {
	if several, ok := given["results"].(object); ok {
		for _, outcome := range several {
			if fits(outcome.(object), found, valid) {
				return true
			}
		}
		return false
	}
	for name, value := range found {
		if valid && value != given["expect"].(object)[name] {
			return false
		}
	}
	return valid == (given["result"] == "valid")
}

func load(path string, into interface{}) { must(into, json.Unmarshal(must(os.ReadFile(path)), into)) }

// CheckVectors prints what comes of each file, and gives the exit code: 1 where a case fails that is not known to,
// where one passes that is known to fail, and where nothing was checked.
func CheckVectors(folder, knownFile string) int {
	var known map[string]string // why a case fails, by its id
	load(knownFile, &known)
	paths, _ := filepath.Glob(filepath.Join(folder, "*.json"))
	fine, wrong := 0, 0
	for _, path := range paths {
		var file struct {
			Kind   string
			Groups []object
		}
		load(path, &file)
		passed, asKnown, skipped, failed := 0, 0, 0, []string{}
		for _, group := range file.Groups {
			for _, one := range group["cases"].([]interface{}) {
				given := one.(object)
				id := given["id"].(string)
				ask, asked := operations[group["operation"].(string)]
				if !asked {
					skipped++
					continue
				}
				found, valid := ask(group, given)
				switch ok := fits(given, found, valid); {
				case ok && known[id] != "":
					failed = append(failed, id+": known to fail, and passes")
				case ok:
					passed++
				case known[id] != "":
					asKnown++
				default:
					failed = append(failed, fmt.Sprintf("%s: valid is %t, with %.80v", id, valid, found))
				}
			}
		}
		fine, wrong = fine+passed+asKnown, wrong+len(failed)
		counts := fmt.Sprintf("%d passed, %d fail as known, %d failed, %d skipped", passed, asKnown, len(failed), skipped)
		fmt.Printf("%s: %s\n", file.Kind, counts)
		for _, line := range failed {
			fmt.Println("  FAILED", line)
		}
	}
	if fine == 0 || wrong > 0 {
		return 1
	}
	return 0
}
