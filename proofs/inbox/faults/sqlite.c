// Kills the process at a statement of SQLite. The linker calls these functions instead of SQLite's
// (`--wrap`), so that the library under test is the published one.
//
//   FAULT_LOG=/log FAULT="before|after NTH STATEMENT" PROGRAM
//
// Each statement that is seen for the first time is a line in the log: `saw STATEMENT`. A kill is
// `killed before|after STATEMENT`. A statement is written on one line, without repeated whitespace.
#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct sqlite3_stmt sqlite3_stmt;
extern const char *sqlite3_sql(sqlite3_stmt *);
extern int sqlite3_stmt_busy(sqlite3_stmt *);
extern int __real_sqlite3_step(sqlite3_stmt *);

enum { LONGEST = 4096, MOST = 256 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char seen[MOST][LONGEST];
static int seen_count;
static int is_read;
static char moment[16];
static long left;
static char wanted[LONGEST];

static void one_line(const char *sql, char *line) {
    size_t length = 0;
    for (int space = 0; *sql && length < LONGEST - 2; sql++) {
        if (isspace((unsigned char)*sql)) {
            space = length > 0;
        } else {
            if (space) line[length++] = ' ';
            line[length++] = *sql;
            space = 0;
        }
    }
    line[length] = 0;
}

static void log_line(const char *what, const char *statement) {
    const char *path = getenv("FAULT_LOG");
    if (!path) return;
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) return;
    char line[LONGEST + 64];
    int length = snprintf(line, sizeof line, "%s %s\n", what, statement);
    if (write(file, line, (size_t)length) != length) abort();
    close(file);
}

// Returns whether the fault is met by this execution.
static int meets(const char *statement) {
    if (!is_read) {
        is_read = 1;
        const char *fault = getenv("FAULT");
        int used = 0;
        if (fault && sscanf(fault, "%15s %ld %n", moment, &left, &used) == 2)
            snprintf(wanted, sizeof wanted, "%s", fault + used);
    }
    int at = 0;
    while (at < seen_count && strcmp(seen[at], statement) != 0) at++;
    if (at == seen_count && seen_count < MOST) {
        strcpy(seen[seen_count++], statement);
        log_line("saw", statement);
    }
    return strcmp(wanted, statement) == 0 && --left == 0;
}

static void kill_process(const char *statement) {
    char what[32];
    snprintf(what, sizeof what, "killed %s", moment);
    log_line(what, statement);
    kill(getpid(), SIGKILL);
    pause();
}

int __wrap_sqlite3_step(sqlite3_stmt *statement) {
    const char *sql = sqlite3_sql(statement);
    // The first step executes a statement. The others return its further rows.
    if (!sql || sqlite3_stmt_busy(statement)) return __real_sqlite3_step(statement);
    char line[LONGEST];
    one_line(sql, line);
    pthread_mutex_lock(&lock);
    int met = meets(line);
    pthread_mutex_unlock(&lock);
    if (met && strcmp(moment, "before") == 0) kill_process(line);
    int result = __real_sqlite3_step(statement);
    if (met) kill_process(line);
    return result;
}
