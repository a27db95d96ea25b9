# What the build writes from the tree, for the native library and the WebAssembly module alike: the operator
# registry, the C++ side of the shaders, the catalogue of matting models. SLUICE_OPERATORS names the families to
# take (all where it is empty): a module for one model needs few.
get_filename_component(SLUICE_ROOT ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)

# The operator registry is generated from the folders under src/ops: each provides
# `std::span<const op::OpDef> op_defs()` in namespace sluice::ops::<folder>, and, for the tests,
# `std::vector<op::Case> cases()` where it has a <folder>_cases.cc, and, where it has a
# <folder>_gpu.cc, `gpu_candidates(domain, op)`.
file(GLOB SLUICE_FAMILIES CONFIGURE_DEPENDS LIST_DIRECTORIES true RELATIVE ${SLUICE_ROOT}/src/ops
     ${SLUICE_ROOT}/src/ops/*)
if(SLUICE_OPERATORS)
  foreach(family ${SLUICE_OPERATORS})
    if(NOT family IN_LIST SLUICE_FAMILIES)
      message(FATAL_ERROR "There is no operator family src/ops/${family}.")
    endif()
  endforeach()
  set(SLUICE_FAMILIES ${SLUICE_OPERATORS})
endif()
set(FAMILY_DECLS "")
set(FAMILY_CALLS "")
set(GPU_DECLS "")
set(GPU_CALLS "")
set(CASE_DECLS "")
set(CASE_CALLS "")
foreach(family ${SLUICE_FAMILIES})
  if(EXISTS ${SLUICE_ROOT}/src/ops/${family}/${family}.cc)
    string(APPEND FAMILY_DECLS "namespace sluice::ops::${family} { std::span<const op::OpDef> op_defs(); }\n")
    string(APPEND FAMILY_CALLS "      ${family}::op_defs(),\n")
    if(EXISTS ${SLUICE_ROOT}/src/ops/${family}/${family}_gpu.cc)
      string(APPEND GPU_DECLS "namespace sluice::ops::${family} { std::span<const op::GpuCandidate> gpu_candidates(std::string_view, std::string_view); }\n")
      string(APPEND GPU_CALLS "      &${family}::gpu_candidates,\n")
    endif()
    if(EXISTS ${SLUICE_ROOT}/src/ops/${family}/${family}_cases.cc)
      string(APPEND CASE_DECLS "namespace sluice::ops::${family} { std::vector<op::Case> cases(); }\n")
      string(APPEND CASE_CALLS "      {\"${family}\", &${family}::cases},\n")
    endif()
  endif()
endforeach()
configure_file(${SLUICE_ROOT}/src/ops/registry.cc.in ${CMAKE_BINARY_DIR}/generated/registry.cc)
# The same without a way to any GPU: for modules that compute on the CPU alone.
block()
  set(GPU_DECLS "")
  set(GPU_CALLS "")
  configure_file(${SLUICE_ROOT}/src/ops/registry.cc.in ${CMAKE_BINARY_DIR}/generated/registry_cpu.cc)
endblock()
configure_file(${SLUICE_ROOT}/src/ops/case_tables.cc.in ${CMAKE_BINARY_DIR}/generated/case_tables.cc)

# The C++ side of the shaders (knobs, uniform block, bindings) is generated from the .wgsl files.
file(GLOB SLUICE_SHADERS CONFIGURE_DEPENDS ${SLUICE_ROOT}/src/ops/*/*.wgsl
     ${SLUICE_ROOT}/src/session/canary/*.wgsl ${SLUICE_ROOT}/src/shader/lib/*.wgsl)
set(SLUICE_SHADER_HEADERS "")
foreach(shader ${SLUICE_SHADERS})
  if(NOT shader MATCHES "/shader/lib/")
    get_filename_component(name ${shader} NAME_WE)
    list(APPEND SLUICE_SHADER_HEADERS ${CMAKE_BINARY_DIR}/generated/shader/${name}.h)
  endif()
endforeach()
add_custom_command(
  OUTPUT ${CMAKE_BINARY_DIR}/generated/shader.stamp
  BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/shader_table.cc ${SLUICE_SHADER_HEADERS}
  COMMAND ${SLUICE_ROOT}/tools/gen_shaders ${SLUICE_ROOT} ${CMAKE_BINARY_DIR}/generated ${SLUICE_OPERATORS}
  COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/generated/shader.stamp
  DEPENDS ${SLUICE_SHADERS} ${SLUICE_ROOT}/tools/gen_shaders
  COMMENT "Generating shader headers")
add_custom_target(sluice_shaders DEPENDS ${CMAKE_BINARY_DIR}/generated/shader.stamp)

# The matting models that `cutout` knows are the files models/*.json.
file(GLOB SLUICE_MANIFESTS CONFIGURE_DEPENDS ${SLUICE_ROOT}/models/*.json)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${SLUICE_MANIFESTS})
set(CATALOGUE_TEXTS "")
foreach(manifest ${SLUICE_MANIFESTS})
  file(READ ${manifest} text)
  string(APPEND CATALOGUE_TEXTS "      R\"manifest(${text})manifest\",\n")
endforeach()
configure_file(${SLUICE_ROOT}/src/apps/cutout/catalogue.cc.in ${CMAKE_BINARY_DIR}/generated/catalogue.cc @ONLY)

