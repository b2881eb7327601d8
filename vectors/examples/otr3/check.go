// A consumer of the vectors: checks the Go library github.com/twstrike/otr3 with the files of a folder.
//
// It is part of the library's package for as long as it is built, since most of what vectors ask for is not exported:
// the library's own tests would be the place for it. build.sh does that with -overlay, so that nothing is installed.
//
// `operations` has a function for each operation that the library can do. It returns what the library makes of a case,
// by the names of `expect`, and an error where it refuses. Everything else is counted as skipped, with the reason. What
// the library is known to do wrong is in known.json, by file and a pattern for the rest of the case's id; other failures,
// and entries that no longer fit, make the exit code 1. Where a case has several readings the library may follow any of them.
package otr3

import (
	"bytes"
	"crypto/dsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strings"
)

type object = map[string]interface{}

var errSkipped, errRefused = errors.New("skipped"), errors.New("refused")

func skip(why string) (object, error) { return nil, fmt.Errorf("%w: %s", errSkipped, why) }

// Values of the vectors: bytes in hexadecimal, numbers in hexadecimal, texts with one character a byte.
func data(value interface{}) []byte {
	decoded, err := hex.DecodeString(value.(string))
	if err != nil {
		panic(err)
	}
	return decoded
}

func number(value interface{}) *big.Int {
	n, ok := new(big.Int).SetString(value.(string), 16)
	if !ok {
		panic("no number: " + value.(string))
	}
	return n
}

func text(value interface{}) []byte {
	var out []byte
	for _, char := range value.(string) {
		out = append(out, byte(char))
	}
	return out
}

func shown(raw []byte) string {
	var out strings.Builder
	for _, one := range raw {
		out.WriteRune(rune(one))
	}
	return out.String()
}

func strs(list interface{}) (out []string) {
	for _, one := range list.([]interface{}) {
		out = append(out, one.(string))
	}
	return
}

func publicKey(fields object) DSAPublicKey {
	params := dsa.Parameters{P: number(fields["p"]), Q: number(fields["q"]), G: number(fields["g"])}
	return DSAPublicKey{dsa.PublicKey{Parameters: params, Y: number(fields["y"])}}
}

func whole(ok bool, rest []byte) error {
	if !ok || len(rest) > 0 {
		return errRefused
	}
	return nil
}

// listener notes whether the library warns that something came in the clear.
type listener struct{ warned bool }

func (l *listener) HandleMessageEvent(e MessageEvent, _ []byte, _ error, _ ...interface{}) {
	l.warned = l.warned || e == MessageEventReceivedMessageUnencrypted
}
func (l *listener) HandleErrorMessage(ErrorCode) []byte { return []byte("unreadable") }

// client is a fresh client with a policy and an instance tag.
func client(policies []string, tag uint32) (*Conversation, *listener) {
	c, heard := &Conversation{}, &listener{}
	flags := map[string]policy{"allow_v2": allowV2, "allow_v3": allowV3, "require_encryption": requireEncryption,
		"send_whitespace_tag": sendWhitespaceTag, "whitespace_start_ake": whitespaceStartAKE, "error_start_ake": errorStartAKE}
	for _, name := range policies {
		c.Policies.add(flags[name])
	}
	c.InitializeInstanceTag(tag)
	c.SetOurKeys([]PrivateKey{&DSAPrivateKey{}}) // it gets as far as a D-H Key Message, and signs nothing
	c.SetMessageEventHandler(heard)
	c.SetErrorMessageHandler(heard)
	return c, heard
}

// kind tells what a message is, by the names in `sends`.
func kind(message []byte) string {
	names := map[messageTypeGuess]string{msgGuessQuery: "query", msgGuessError: "error", msgGuessDHCommit: "dh_commit",
		msgGuessDHKey: "dh_key", msgGuessRevealSig: "reveal_signature", msgGuessSignature: "signature", msgGuessData: "data"}
	return names[guessMessageType(message)]
}

func numbers(names string, values ...*big.Int) object {
	out := object{}
	for i, name := range strings.Fields(names) {
		out[name] = values[i].Text(16)
	}
	return out
}

func draws(exponents object, names string) *bytes.Reader {
	var all []byte
	for _, name := range strings.Fields(names) {
		exponent := data(exponents[name])
		all = append(append(all, make([]byte, v3.parameterLength()-len(exponent))...), exponent...)
	}
	return bytes.NewReader(all)
}

var v3 = otrV3{}

var operations = map[string]func(group, given object) (object, error){
	"value": func(group, given object) (object, error) {
		raw := data(given["encoded"])
		switch group["type"] {
		case "SHORT":
			rest, n, ok := extractShort(raw)
			return object{"number": fmt.Sprintf("%x", n)}, whole(ok, rest)
		case "INT":
			rest, n, ok := extractWord(raw)
			return object{"number": fmt.Sprintf("%x", n)}, whole(ok, rest)
		case "MPI":
			rest, n, ok := extractMPI(raw)
			if !ok {
				return nil, errRefused
			}
			return object{"number": n.Text(16)}, whole(ok, rest)
		case "DATA":
			rest, content, ok := extractData(raw)
			return object{"bytes": hex.EncodeToString(content)}, whole(ok, rest)
		}
		return skip("the library reads no " + group["type"].(string) + " alone")
	},
	"public_key": func(_, given object) (object, error) {
		rest, ok, key := ParsePublicKey(data(given["encoded"]))
		if !ok {
			return nil, errRefused
		}
		read := key.(*DSAPublicKey)
		out := numbers("p q g y", read.P, read.Q, read.G, read.Y)
		out["fingerprint"] = hex.EncodeToString(key.Fingerprint())
		return out, whole(ok, rest)
	},
	"verify": func(group, given object) (object, error) {
		key := publicKey(group["key"].(object))
		rest, ok := key.Verify(data(given["mac"]), data(given["signature"]))
		return object{}, whole(ok, rest)
	},
	"sign": func(_, _ object) (object, error) { return skip("the library's nonce can't be given") },
	"exchange": func(_, given object) (object, error) {
		private, theirs := number(given["private"]), number(given["their_public"])
		if !isGroupElement(theirs) {
			return nil, errRefused
		}
		return numbers("our_public s", modExp(g1, private), modExp(theirs, private)), nil
	},
	"handshake_keys": func(_, given object) (object, error) {
		ssid, reveal, signature := calculateAKEKeys(number(given["s"]), v3)
		out := object{}
		for name, value := range map[string][]byte{"ssid": ssid[:], "c": reveal.c, "m1": reveal.m1, "m2": reveal.m2,
			"c_primed": signature.c, "m1_primed": signature.m1, "m2_primed": signature.m2} {
			out[name] = hex.EncodeToString(value)
		}
		return out, nil
	},
	"session_keys": func(_, given object) (object, error) {
		private, theirs := number(given["private"]), number(given["their_public"])
		if !isGroupElement(theirs) { // as the library does before
			return nil, errRefused
		}
		ours := modExp(g1, private)
		keys := calculateDHSessionKeys(private, ours, theirs, v3)
		out := numbers("our_public", ours)
		for name, value := range map[string][]byte{"sending_aes": keys.sendingAESKey, "sending_mac": keys.sendingMACKey,
			"receiving_aes": keys.receivingAESKey, "receiving_mac": keys.receivingMACKey, "extra_key": keys.extraKey} {
			out[name] = hex.EncodeToString(value)
		}
		return out, nil
	},
	"open_commitment": func(_, given object) (object, error) {
		encrypted := data(given["encrypted_gx"])
		gxmpi := make([]byte, len(encrypted))
		if err := decrypt(data(given["revealed_key"]), gxmpi, encrypted); err != nil {
			return nil, err
		}
		if err := checkDecryptedGx(gxmpi, data(given["hashed_gx"]), v3); err != nil {
			return nil, err
		}
		gx, err := extractGx(gxmpi)
		if err != nil {
			return nil, err
		}
		return numbers("gx", gx), nil
	},
	"open_signature": func(group, given object) (object, error) {
		c := &Conversation{version: v3}
		c.initAKE()
		c.ake.theirPublicValue, c.ake.ourPublicValue = number(group["signer_public"]), number(group["other_public"])
		keys := &akeKeys{data(group["c"]), data(group["m1"]), data(group["m2"])}
		if err := c.processEncryptedSig(data(given["encrypted_signature"]), data(given["mac"]), keys); err != nil {
			return nil, err
		}
		return object{"fingerprint": hex.EncodeToString(c.theirKey.Fingerprint()), "keyid": float64(c.ake.keys.theirKeyID)}, nil
	},
	"plaintext": func(_, given object) (object, error) {
		var read plainDataMsg
		err := read.deserialize(text(given["plaintext"]))
		tlvs := []interface{}{}
		for _, one := range read.tlvs {
			tlvs = append(tlvs, object{"type": float64(one.tlvType), "value": hex.EncodeToString(one.tlvValue)})
		}
		return object{"text": shown(read.message), "tlvs": tlvs}, err
	},
	"smp_secret": func(_, given object) (object, error) {
		initiator, responder, ssid := data(given["initiator"]), data(given["responder"]), data(given["ssid"])
		return numbers("number", generateSMPSecret(initiator, responder, ssid, text(given["secret"]), v3)), nil
	},
	"smp_run": func(_, given object) (object, error) {
		x, y := number(given["x"]), number(given["y"])
		alice := &Conversation{version: v3, Rand: draws(given["initiator"].(object), "a2 a3 r2 r3 r4 r5 r6 r7")}
		bob := &Conversation{version: v3, Rand: draws(given["responder"].(object), "b2 b3 r2 r3 r4 r5 r6 r7")}
		s1, err1 := alice.generateSMP1()
		s2, err2 := bob.generateSMP2(y, s1.msg)
		s3, err3 := alice.generateSMP3(x, s1, s2.msg)
		s4, err4 := bob.generateSMP4(y, s2, s3.msg)
		m1, m2, m3, m4 := s1.msg, s2.msg, s3.msg, s4.msg
		if err := firstError(err1, err2, err3, err4, alice.verifySMP2(&s1, m2), bob.verifySMP1(m1), bob.verifySMP3(&s2, m3),
			alice.verifySMP4(&s3, m4)); err != nil {
			return nil, err
		}
		equal := alice.verifySMP4ProtocolSuccess(&s1, &s3, m4) == nil
		return object{
			"message_1": numbers("g2a c2 D2 g3a c3 D3", m1.g2a, m1.c2, m1.d2, m1.g3a, m1.c3, m1.d3),
			"message_2": numbers("g2b c2 D2 g3b c3 D3 Pb Qb cP D5 D6", m2.g2b, m2.c2, m2.d2, m2.g3b, m2.c3, m2.d3, m2.pb,
				m2.qb, m2.cp, m2.d5, m2.d6),
			"message_3": numbers("Pa Qa cP D5 D6 Ra cR D7", m3.pa, m3.qa, m3.cp, m3.d5, m3.d6, m3.ra, m3.cr, m3.d7),
			"message_4": numbers("Rb cR D7", m4.rb, m4.cr, m4.d7),
			"equal":     equal,
		}, nil
	},
	"offer": func(group, given object) (object, error) {
		c, heard := client(strs(group["policy"]), 0x1a1a)
		plain, sent, _ := c.Receive(text(given["text"]))
		out := object{"shown": nil, "warned": heard.warned}
		if plain != nil {
			out["shown"] = shown(plain)
		}
		if len(sent) == 0 {
			return out, errRefused
		}
		out["version"] = float64(c.version.protocolVersion())
		return out, nil
	},
	"play": func(group, given object) (object, error) {
		party, steps := group["party"].(object), given["steps"].([]interface{})
		if len(group["prefix"].([]interface{})) > 0 || len(steps) > 1 {
			return skip("the client must draw the randomness in the file")
		}
		step := steps[0].(object)
		if step["action"] != "receive" || party["max_message_size"] != nil || party["instance_tag"] == nil {
			return skip("this program has only what is received whole")
		}
		c, _ := client(strs(party["policy"]), uint32(party["instance_tag"].(float64)))
		plain, sent, _ := c.Receive(text(step["args"].(object)["message"]))
		sends, shows := []interface{}{}, []interface{}{}
		for _, message := range sent {
			sends = append(sends, kind(message))
		}
		if plain != nil {
			shows = append(shows, shown(plain))
		}
		return object{"sends": sends, "shows": shows}, nil
	},
}

// differs tells what is wrong with a case in one outcome, "" if nothing is.
func differs(found object, err error, outcome object, play bool) string {
	if !play && (err == nil) != (outcome["result"] == "valid") {
		return fmt.Sprintf("it is %s, and the library disagrees", outcome["result"])
	}
	for name, right := range outcome["expect"].(object) {
		if value, told := found[name]; told && !reflect.DeepEqual(value, right) {
			return fmt.Sprintf("%s: %.80v", name, value)
		}
	}
	return ""
}

func check(group, given object) (problem, skipped string) {
	operation := group["operation"].(string)
	ask, ok := operations[operation]
	if !ok {
		return "", "this program has no function for " + operation
	}
	defer func() {
		if broken := recover(); broken != nil {
			problem = fmt.Sprintf("panics: %.80v", broken)
		}
	}()
	found, err := ask(group, given)
	if errors.Is(err, errSkipped) {
		return "", strings.TrimPrefix(err.Error(), "skipped: ")
	}
	outcomes, several := given["results"].(object)
	if !several {
		outcomes = object{"": given}
	}
	for _, outcome := range outcomes {
		if problem = differs(found, err, outcome.(object), operation == "play"); problem == "" {
			break
		}
	}
	return problem, ""
}

func load(path string, into interface{}) {
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, into)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// CheckVectors checks all files of a folder; the exit code.
func CheckVectors(folder, knownFile string) int {
	var known []struct{ File, Cases, Reason string }
	load(knownFile, &known)
	unexpected := 0
	paths, _ := filepath.Glob(filepath.Join(folder, "*.json"))
	for _, path := range paths {
		var file struct {
			Kind   string
			Groups []object
		}
		load(path, &file)
		met := map[string]int{}
		passed, expected, skipped, failed := 0, 0, map[string]int{}, []string{}
		for _, group := range file.Groups {
		cases:
			for _, one := range group["cases"].([]interface{}) {
				given := one.(object)
				problem, why := check(group, given)
				switch {
				case why != "":
					skipped[why]++
				case problem == "":
					passed++
				default:
					for _, entry := range known {
						pattern := "^" + entry.File + `\.` + entry.Cases + "$"
						if regexp.MustCompile(pattern).MatchString(given["id"].(string)) {
							met[entry.Cases]++
							expected++
							continue cases
						}
					}
					failed = append(failed, fmt.Sprintf("  FAILED %s (%s)", given["id"], problem))
				}
			}
		}
		for _, entry := range known {
			if entry.File == file.Kind && met[entry.Cases] == 0 {
				failed = append(failed, fmt.Sprintf("  FAILED known.json: %s fits no failure any more", entry.Cases))
			}
		}
		unexpected += len(failed)
		line := fmt.Sprintf("%s: %d passed, %d fail as known, %d failed", filepath.Base(path), passed, expected, len(failed))
		reasons := []string{}
		for why, count := range skipped {
			reasons = append(reasons, fmt.Sprintf("; %d skipped: %s", count, why))
		}
		sort.Strings(reasons)
		fmt.Println(line + strings.Join(reasons, ""))
		if len(failed) > 0 {
			fmt.Println(strings.Join(failed, "\n"))
		}
	}
	if unexpected > 0 {
		return 1
	}
	return 0
}
