/* The three database files of a data folder. A role makes a database's tables in an empty file; that the
 * file is empty because the folder is new, and not because one was lost, is seen to here. */
#ifndef ADMIN_DATABASE_FILES_H
#define ADMIN_DATABASE_FILES_H

#include "admin/data_folder.h"

/* Makes the files of a new folder, empty. ERR_NOT_FOUND: *out_missing is gone while others hold
 * something (static text): a fresh one in its place would hide the loss, and SQLite would throw its WAL away. */
enum err database_files_make(const struct data_folder *f, const char **out_missing) MUST_CHECK;

#endif
