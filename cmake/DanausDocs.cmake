# The target `docs`: reference pages that mlir-tblgen writes from the dialects' and passes' own
# descriptions, into build/<preset>/docs/reference. Nothing generated is kept in the tree.

find_program(DANAUS_MLIR_TBLGEN mlir-tblgen HINTS ${LLVM_TOOLS_BINARY_DIR} NO_DEFAULT_PATH REQUIRED)
add_custom_target(docs)

# danaus_tablegen_doc(NAME TD COMMAND...): NAME.md from the file TD, named from the project's root,
# by mlir-tblgen's COMMAND. The calls stand in docs/CMakeLists.txt.
function(danaus_tablegen_doc name td)
  set(page ${PROJECT_BINARY_DIR}/docs/reference/${name}.md)
  set(include_flags ${MLIR_INCLUDE_DIRS} ${PROJECT_SOURCE_DIR})
  list(TRANSFORM include_flags PREPEND -I)
  add_custom_command(
    OUTPUT ${page}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/docs/reference
    COMMAND ${DANAUS_MLIR_TBLGEN} ${ARGN} ${include_flags} ${PROJECT_SOURCE_DIR}/${td}
            -o ${page} -d ${page}.d
    DEPFILE ${page}.d
    DEPENDS ${PROJECT_SOURCE_DIR}/${td}
    COMMENT "docs/reference/${name}.md" VERBATIM)
  add_custom_target(docs-${name} DEPENDS ${page})
  add_dependencies(docs docs-${name})
endfunction()
