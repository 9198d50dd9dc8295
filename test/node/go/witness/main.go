// A client that watches a replicated database from inside the cluster while something happens to it.
//
//	witness watch                  writes, probes and looks until it is killed; a line of JSON each on standard output
//	witness rows HOST FROM         the ids from FROM on that the server HOST holds, one a line
//
// What `watch` does, each on a clock of its own, so that nothing that hangs hides what the others see:
//
//	write    every 100 ms a row through the primary Service, each by a new connection
//	patient  a row every 500 ms through the primary Service by one connection that waits for its answer for 100 s
//	probe    every 200 ms a row to each pod by its own address: whoever takes it is writable
//	state    every 500 ms what each member says of replication
//	pods     the pods, whenever they changed
//
// Environment: ENGINE (postgresql or mysql), HOST, PORT, DBNAME, USERNAME, PASSWORD, MONITOR_PASSWORD, NAMESPACE and
// SELECTOR, the labels of the database's pods.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

func main() {
	mysqldriver.SetLogger(silent{})
	switch {
	case len(os.Args) == 2 && os.Args[1] == "watch":
		watch()
	case len(os.Args) == 4 && os.Args[1] == "rows":
		if err := rows(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: witness watch | witness rows HOST FROM")
		os.Exit(2)
	}
}

// Why a connection broke is in the line of what was tried on it.
type silent struct{}

func (silent) Print(...any) {}

// Line is what is told of one attempt or of one look. Times are milliseconds since 1970.
type Line struct {
	Number int64  `json:"n"`
	Kind   string `json:"kind"`
	Start  int64  `json:"start"`
	End    int64  `json:"end"`
	Member string `json:"member,omitempty"`
	UID    string `json:"uid,omitempty"`
	ID     int64  `json:"id,omitempty"`
	OK     bool   `json:"ok"`
	Error  string `json:"error,omitempty"`
	State  *State `json:"state,omitempty"`
	Pods   []Pod  `json:"pods,omitempty"`
}

// State is what a member says of itself.
type State struct {
	Primary bool `json:"primary"`
	// PostgreSQL: streaming replicas where it is the primary, and 1 where it streams itself. MySQL: members that are ONLINE.
	Online int `json:"online"`
	// PostgreSQL: streaming where it receives. MySQL: its own state.
	Word string `json:"word"`
}

// Pod is one of the database's.
type Pod struct {
	Name  string `json:"name"`
	UID   string `json:"uid"`
	IP    string `json:"ip"`
	Role  string `json:"role"`
	Node  string `json:"node"`
	Ready bool   `json:"ready"`
	Going bool   `json:"going"`
}

var (
	lines  sync.Mutex
	number int64
	// Ids are told apart also when the witness was started again.
	ids = time.Now().UnixMilli() * 1000
)

func say(line Line) {
	lines.Lock()
	defer lines.Unlock()
	number++
	line.Number = number
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(text, '\n'))
}

func now() int64 { return time.Now().UnixMilli() }

func watch() {
	service := os.Getenv("HOST")
	create(service)
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			go write(service)
		}
	}()
	go keep(context.Background(), service, application, 500*time.Millisecond, 100*time.Second, func(ctx context.Context, connection *sql.Conn) Line {
		return insert(ctx, connection, "patient")
	}, Line{Kind: "patient"})
	follow()
}

// The table is there once there is a database that takes it.
func create(host string) {
	statement := "CREATE TABLE IF NOT EXISTS witness (id bigint PRIMARY KEY, kind varchar(10) NOT NULL)"
	for {
		err := func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			db := application(host)
			defer db.Close()
			_, err := db.ExecContext(ctx, statement)
			return err
		}()
		if err == nil {
			say(Line{Kind: "created", Start: now(), End: now(), OK: true})
			return
		}
		say(Line{Kind: "created", Start: now(), End: now(), Error: err.Error()})
		time.Sleep(time.Second)
	}
}

func write(host string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	db := application(host)
	defer db.Close()
	start := now()
	connection, err := db.Conn(ctx)
	if err != nil {
		say(Line{Kind: "write", Start: start, End: now(), Error: err.Error()})
		return
	}
	defer connection.Close()
	line := insert(ctx, connection, "write")
	line.Start = start
	say(line)
}

// An insert that was not acknowledged may have happened all the same; one that was must never be lost.
func insert(ctx context.Context, connection *sql.Conn, kind string) Line {
	line := Line{Kind: kind, Start: now(), ID: atomic.AddInt64(&ids, 1)}
	_, err := connection.ExecContext(ctx, fmt.Sprintf("INSERT INTO witness (id, kind) VALUES (%d, '%s')", line.ID, kind))
	line.End, line.OK = now(), err == nil
	if err != nil {
		line.Error = err.Error()
	}
	return line
}

// Does something again and again on one connection, and on a new one after an error. `about` is told when there is none.
func keep(ctx context.Context, host string, open func(string) *sql.DB, every, timeout time.Duration, do func(context.Context, *sql.Conn) Line, about Line) {
	var db *sql.DB
	var connection *sql.Conn
	drop := func() {
		if connection != nil {
			connection.Close()
			db.Close()
			connection = nil
		}
	}
	defer drop()
	for tick := time.NewTicker(every); ctx.Err() == nil; {
		start := now()
		attempt, cancel := context.WithTimeout(ctx, timeout)
		if connection == nil {
			db = open(host)
			made, err := db.Conn(attempt)
			if err != nil {
				db.Close()
				line := about
				line.Start, line.End, line.Error = start, now(), err.Error()
				say(line)
			} else {
				connection = made
			}
		}
		if connection != nil {
			line := do(attempt, connection)
			line.Member, line.UID = about.Member, about.UID
			say(line)
			// A server that only refuses keeps its connection: the next attempt asks it again.
			if line.Error != "" && (broken(connection) || attempt.Err() != nil) {
				drop()
			}
		}
		cancel()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func broken(connection *sql.Conn) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return connection.PingContext(ctx) != nil
}

// Looks for pods, and has each of them probed for as long as its address may still answer: a pod that the API server has
// forgotten can live on.
func follow() {
	const afterlife = 3 * time.Minute
	type member struct {
		cancel context.CancelFunc
		seen   time.Time
		ip     string
	}
	members := map[string]*member{}
	pods := podsOf(os.Getenv("NAMESPACE"), os.Getenv("SELECTOR"))
	var last []Pod
	for range time.Tick(250 * time.Millisecond) {
		start := now()
		found, err := pods()
		if err != nil {
			say(Line{Kind: "pods", Start: start, End: now(), Error: err.Error()})
			continue
		}
		if !reflect.DeepEqual(found, last) {
			say(Line{Kind: "pods", Start: start, End: now(), OK: true, Pods: found})
			last = found
		}
		for _, pod := range found {
			if pod.IP == "" {
				continue
			}
			for uid, other := range members {
				if other.ip == pod.IP && uid != pod.UID {
					other.cancel()
					delete(members, uid)
				}
			}
			if known := members[pod.UID]; known != nil {
				known.seen = time.Now()
				continue
			}
			ctx, cancel := context.WithCancel(context.Background())
			members[pod.UID] = &member{cancel, time.Now(), pod.IP}
			probe(ctx, pod)
		}
		for uid, known := range members {
			if time.Since(known.seen) > afterlife {
				known.cancel()
				delete(members, uid)
			}
		}
	}
}

func probe(ctx context.Context, pod Pod) {
	about := func(kind string) Line { return Line{Kind: kind, Member: pod.Name, UID: pod.UID} }
	go keep(ctx, pod.IP, application, 200*time.Millisecond, 1500*time.Millisecond, func(ctx context.Context, connection *sql.Conn) Line {
		return insert(ctx, connection, "probe")
	}, about("probe"))
	go keep(ctx, pod.IP, monitor, 500*time.Millisecond, 1500*time.Millisecond, look, about("state"))
}

func look(ctx context.Context, connection *sql.Conn) Line {
	line := Line{Kind: "state", Start: now()}
	state := &State{}
	var err error
	if engine() == "mysql" {
		err = connection.QueryRowContext(ctx, `SELECT coalesce(max(member_id = @@server_uuid AND member_role = 'PRIMARY'), 0),
			coalesce(sum(member_state = 'ONLINE'), 0), coalesce(max(if(member_id = @@server_uuid, member_state, NULL)), 'ALONE')
			FROM performance_schema.replication_group_members`).Scan(&state.Primary, &state.Online, &state.Word)
	} else {
		err = connection.QueryRowContext(ctx, `SELECT NOT pg_is_in_recovery(),
			(SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming') + (SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'),
			CASE WHEN pg_is_in_recovery() THEN coalesce((SELECT status FROM pg_stat_wal_receiver), 'waiting') ELSE 'primary' END`).Scan(&state.Primary, &state.Online, &state.Word)
	}
	line.End, line.OK = now(), err == nil
	if err != nil {
		line.Error = err.Error()
	} else {
		line.State = state
	}
	return line
}

func engine() string { return os.Getenv("ENGINE") }

func application(host string) *sql.DB {
	return open(host, os.Getenv("USERNAME"), os.Getenv("PASSWORD"))
}

func monitor(host string) *sql.DB {
	return open(host, "monitor", os.Getenv("MONITOR_PASSWORD"))
}

// One connection at a time, made when it is asked for, in at most two seconds.
func open(host, user, password string) *sql.DB {
	address := net.JoinHostPort(host, os.Getenv("PORT"))
	var db *sql.DB
	if engine() == "mysql" {
		config := mysqldriver.NewConfig()
		config.Net, config.Addr, config.User, config.Passwd, config.DBName = "tcp", address, user, password, os.Getenv("DBNAME")
		config.Timeout = 2 * time.Second
		if user == "monitor" {
			config.DBName = ""
		}
		connector, err := mysqldriver.NewConnector(config)
		if err != nil {
			panic(err)
		}
		db = sql.OpenDB(connector)
	} else {
		target := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: address, Path: "/" + os.Getenv("DBNAME")}
		config, err := pgx.ParseConfig(target.String() + "?sslmode=disable&connect_timeout=2")
		if err != nil {
			panic(err)
		}
		config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		db = stdlib.OpenDB(*config)
	}
	db.SetMaxOpenConns(1)
	return db
}

func rows(host, from string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	db := application(host)
	defer db.Close()
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil {
		return err
	}
	found, err := db.QueryContext(ctx, fmt.Sprintf("SELECT id FROM witness WHERE id >= %d ORDER BY id", first))
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var id int64
		if err := found.Scan(&id); err != nil {
			return err
		}
		fmt.Println(id)
	}
	return found.Err()
}

// Asks the API server with the pod's own account.
func podsOf(namespace, selector string) func() ([]Pod, error) {
	const account = "/var/run/secrets/kubernetes.io/serviceaccount/"
	authority := x509.NewCertPool()
	if pem, err := os.ReadFile(account + "ca.crt"); err == nil {
		authority.AppendCertsFromPEM(pem)
	}
	client := http.Client{
		Timeout:   3 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority}},
	}
	address := "https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")) +
		"/api/v1/namespaces/" + namespace + "/pods?resourceVersion=0&labelSelector=" + url.QueryEscape(selector)
	return func() ([]Pod, error) {
		token, err := os.ReadFile(account + "token")
		if err != nil {
			return nil, err
		}
		request, err := http.NewRequest("GET", address, nil)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		answer, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return nil, err
		}
		if answer.StatusCode != 200 {
			return nil, errors.New(answer.Status)
		}
		return parse(body)
	}
}

func parse(body []byte) ([]Pod, error) {
	var list struct {
		Items []struct {
			Metadata struct {
				Name              string
				UID               string
				Labels            map[string]string
				DeletionTimestamp *string
			}
			Spec   struct{ NodeName string }
			Status struct {
				PodIP      string
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	pods := []Pod{}
	for _, item := range list.Items {
		pod := Pod{
			Name: item.Metadata.Name, UID: item.Metadata.UID, IP: item.Status.PodIP, Node: item.Spec.NodeName,
			Role: item.Metadata.Labels["example.com/role"], Going: item.Metadata.DeletionTimestamp != nil,
		}
		for _, condition := range item.Status.Conditions {
			pod.Ready = pod.Ready || (condition.Type == "Ready" && condition.Status == "True")
		}
		pods = append(pods, pod)
	}
	slices.SortFunc(pods, func(one, other Pod) int { return strings.Compare(one.Name+one.UID, other.Name+other.UID) })
	return pods, nil
}
